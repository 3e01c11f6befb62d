//! Reads the requests of one log object out of its lines, and names every line that is none of the load balancer's.

use crate::access_log::alb::{Decoder, OptionalFields, Request};
use crate::access_log::classic::{self, Record, RecordAssembler};
use crate::access_log::lines::{LINE_BYTES_MAX, Line, LineSink, trim_line};
use crate::access_log::router::SeriesRouter;
use crate::access_log::unparsed_line::{LineError, UnparsedLine};
use crate::time::Minute;

pub trait RequestSink {
    /// Discards everything: the object is read from its start again.
    fn restart(&mut self);
    /// Whether a request of this minute may be counted.
    fn includes(&self, minute: Minute) -> bool;
    fn count(&mut self, request: &Request<'_>, line: &[u8]);
    fn is_cancelled(&self) -> bool;
}

#[derive(Debug, Default)]
pub struct LineStatistics {
    /// Lines that are not empty.
    pub lines: u64,
    /// Those among them that are no request of this balancer at about this time.
    pub unparsed: u64,
    pub samples: Vec<UnparsedLine>,
    /// Connections of a Classic Load Balancer's TCP listeners.
    pub connections: u64,
}

pub struct RequestReader<'a, S> {
    format: LineFormat,
    requests: Requests<'a, S>,
}

#[expect(clippy::large_enum_variant, reason = "there is one of them for each object")]
enum LineFormat {
    Alb(Decoder),
    Classic(RecordAssembler),
}

struct Requests<'a, S> {
    /// The balancer as lines name it.
    load_balancer: &'a [u8],
    sink: S,
    statistics: LineStatistics,
}

impl<'a, S: RequestSink> RequestReader<'a, S> {
    pub fn new(router: &'a SeriesRouter, optional_fields: OptionalFields, sink: S) -> Self {
        let (format, load_balancer) = match router.load_balancer.strip_prefix("classic/") {
            Some(name) => (LineFormat::Classic(RecordAssembler::default()), name),
            None => (LineFormat::Alb(Decoder::new(optional_fields)), &*router.load_balancer),
        };
        let statistics = LineStatistics::default();
        Self { format, requests: Requests { load_balancer: load_balancer.as_bytes(), sink, statistics } }
    }

    pub fn into_parts(self) -> (S, LineStatistics) {
        (self.requests.sink, self.requests.statistics)
    }
}

impl<S: RequestSink> Requests<'_, S> {
    #[inline]
    fn count_request(&mut self, request: &Request<'_>, line: &[u8]) -> Result<(), LineError> {
        if request.load_balancer != self.load_balancer {
            return Err(LineError::mismatch("elb", request.load_balancer));
        }
        if !self.sink.includes(request.minute) {
            return Err(LineError::mismatch("time", request.minute.to_string().as_bytes()));
        }
        self.sink.count(request, line);
        Ok(())
    }

    fn count_lines(&mut self, text: &[u8], start: usize, line_ends: &[u32], decoder: &mut Decoder) {
        decoder.parse_fast(
            text,
            start,
            line_ends,
            self.load_balancer,
            #[inline(always)]
            |decoder, line, request| {
                let line = text.get(line).unwrap_or_default();
                match request {
                    Some(request) if self.sink.includes(request.minute) => {
                        self.statistics.lines += 1;
                        self.sink.count(request, line);
                    }
                    _ => match trim_line(line) {
                        Some(Line::Whole(line)) => self.count_line(line, decoder),
                        Some(Line::TooLong(start)) => self.count_overlong(start),
                        None => {}
                    },
                }
            },
        );
    }

    fn count_line(&mut self, line: &[u8], decoder: &mut Decoder) {
        self.statistics.lines += 1;
        if let Err(error) = decoder.decode(line).and_then(|request| self.count_request(&request, line)) {
            self.record_unparsed(line, error);
        }
    }

    fn count_record(&mut self, record: &[u8]) {
        self.statistics.lines += 1;
        let counted = classic::decode(record).and_then(|decoded| match decoded {
            Record::Request(request) => self.count_request(&request, record),
            Record::Connection => {
                self.statistics.connections += 1;
                Ok(())
            }
        });
        if let Err(error) = counted {
            self.record_unparsed(record, error);
        }
    }

    fn count_overlong(&mut self, start: &[u8]) {
        self.statistics.lines += 1;
        self.record_unparsed(start, LineError::TooLong { bytes_max: LINE_BYTES_MAX });
    }

    #[cold]
    fn record_unparsed(&mut self, line: &[u8], error: LineError) {
        /// Unparsed lines shown of each object.
        const SAMPLES_MAX: usize = 3;
        self.statistics.unparsed += 1;
        if self.statistics.samples.len() < SAMPLES_MAX {
            self.statistics.samples.push(UnparsedLine::new(self.statistics.lines, line, error));
        }
    }
}

impl<S: RequestSink> LineSink for RequestReader<'_, S> {
    fn restart(&mut self) {
        self.requests.sink.restart();
        self.requests.statistics = LineStatistics::default();
        if let LineFormat::Classic(records) = &mut self.format {
            *records = RecordAssembler::default();
        }
    }

    fn accept_lines(&mut self, text: &[u8], start: usize, line_ends: &[u32]) {
        let LineFormat::Alb(mut decoder) = self.format else {
            return self.accept_each(text, start, line_ends);
        };
        self.requests.count_lines(text, start, line_ends, &mut decoder);
        self.format = LineFormat::Alb(decoder);
    }

    fn accept_line(&mut self, line: Line<'_>) {
        match (line, &mut self.format) {
            (Line::Whole(line), LineFormat::Alb(decoder)) => self.requests.count_line(line, decoder),
            (Line::Whole(line), LineFormat::Classic(records)) => {
                records.push_line(line, |record| self.requests.count_record(record));
            }
            (Line::TooLong(start), _) => {
                self.finish();
                self.requests.count_overlong(start);
            }
        }
    }

    fn finish(&mut self) {
        if let LineFormat::Classic(records) = &mut self.format {
            records.finish(|record| self.requests.count_record(record));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.requests.sink.is_cancelled()
    }
}
