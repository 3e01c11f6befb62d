//! Counts the lines of one object: each is counted for the series it belongs to, or noted as one that is not.

use std::sync::atomic::{AtomicBool, Ordering};

use super::lines::{LINE_BYTES_MAX, Line, LineSink, for_each_line, trim_line};
use super::listing::LogFile;
use super::object_counts::ObjectTally;
use super::scan::UnparsedLine;
use crate::access_log::alb::{Decoder, LineError, OptionalFields, Request};
use crate::access_log::classic::{self, Record, RecordAssembler};
use crate::access_log::line_kind::detect_line_kind;
use crate::access_log::router::SeriesRouter;
use crate::time::{MINUTES_PER_DAY, Span};

/// Unparsed lines shown of each object.
const SAMPLES_MAX: usize = 3;
/// Bytes shown of an unparsed line.
const SAMPLE_BYTES_MAX: usize = 200;

/// Counts the lines of one object.
pub(super) struct LineCounter<'a> {
    router: &'a SeriesRouter,
    format: LineFormat,
    /// The balancer as lines name it.
    load_balancer: &'a [u8],
    interval: Span,
    /// Minutes that its lines may lie in: a day to either side, so that a lying clock cannot touch any day it likes.
    plausible_span: Span,
    pub(super) tally: &'a mut ObjectTally,
    pub(super) lines: u64,
    pub(super) unparsed: u64,
    pub(super) samples: Vec<UnparsedLine>,
    pub(super) connections: u64,
    cancel: &'a AtomicBool,
}

/// How the balancer writes its lines.
#[expect(clippy::large_enum_variant, reason = "there is one of them for each object")]
pub(super) enum LineFormat {
    Alb(Decoder),
    Classic(RecordAssembler),
}

impl LineFormat {
    /// How lines of the routes' balancer are read if this is wanted of them, and what they call it.
    pub(super) fn for_router(router: &SeriesRouter, optional_fields: OptionalFields) -> (Self, &[u8]) {
        match router.load_balancer().strip_prefix("classic/") {
            Some(name) => (Self::Classic(RecordAssembler::default()), name.as_bytes()),
            None => (Self::Alb(Decoder::new(optional_fields)), router.load_balancer().as_bytes()),
        }
    }
}

impl<'a> LineCounter<'a> {
    pub(super) fn new(
        router: &'a SeriesRouter,
        file: &LogFile,
        tally: &'a mut ObjectTally,
        cancel: &'a AtomicBool,
    ) -> Self {
        let interval = file.interval;
        let plausible_span = Span::new(interval.start.plus(-MINUTES_PER_DAY), interval.end.plus(MINUTES_PER_DAY));
        let (format, load_balancer) = LineFormat::for_router(router, router.optional_fields());
        let samples = Vec::new();
        Self {
            router,
            format,
            load_balancer,
            interval,
            plausible_span,
            tally,
            lines: 0,
            unparsed: 0,
            samples,
            connections: 0,
            cancel,
        }
    }

    #[inline]
    fn count_request(&mut self, request: &Request<'_>) -> Result<(), LineError> {
        if request.load_balancer != self.load_balancer {
            return Err(LineError::mismatch("elb", request.load_balancer));
        }
        if !self.plausible_span.contains(request.minute) {
            return Err(LineError::mismatch("time", request.minute.to_string().as_bytes()));
        }
        let tally = &mut *self.tally;
        let row = tally.row(request.minute);
        self.router.classify(request, |slot, event| tally.add(slot, row, event));
        Ok(())
    }

    /// Counts lines of an Application Load Balancer.
    fn count_lines(&mut self, text: &[u8], start: usize, line_ends: &[u32], decoder: &mut Decoder) {
        decoder.parse_fast(
            text,
            start,
            line_ends,
            self.load_balancer,
            #[inline(always)]
            |decoder, line, request| match request {
                Some(request) if self.plausible_span.contains(request.minute) => {
                    self.lines += 1;
                    let tally = &mut *self.tally;
                    let row = tally.row(request.minute);
                    self.router.classify(request, |slot, event| tally.add(slot, row, event));
                }
                _ => match trim_line(text.get(line).unwrap_or_default()) {
                    Some(Line::Whole(line)) => self.count_line(line, decoder),
                    Some(too_long) => self.accept_line(too_long),
                    None => {}
                },
            },
        );
    }

    fn count_line(&mut self, line: &[u8], decoder: &mut Decoder) {
        self.lines += 1;
        if let Err(fault) = decoder.decode(line).and_then(|request| self.count_request(&request)) {
            self.record_unparsed(line, fault);
        }
    }

    fn count_record(&mut self, record: &[u8]) {
        self.lines += 1;
        let counted = classic::decode(record).and_then(|record| match record {
            Record::Request(request) => self.count_request(&request),
            Record::Connection => {
                self.connections += 1;
                Ok(())
            }
        });
        if let Err(fault) = counted {
            self.record_unparsed(record, fault);
        }
    }

    #[cold]
    fn record_unparsed(&mut self, line: &[u8], error: LineError) {
        self.unparsed += 1;
        if self.samples.len() < SAMPLES_MAX {
            let start = line.get(..SAMPLE_BYTES_MAX).unwrap_or(line);
            let text = String::from_utf8_lossy(start).into_owned();
            self.samples.push(UnparsedLine { number: self.lines, text, kind: detect_line_kind(line), error });
        }
    }
}

impl LineSink for LineCounter<'_> {
    fn restart(&mut self) {
        self.tally.reset(self.router.series().len(), self.interval);
        (self.lines, self.unparsed, self.connections) = (0, 0, 0);
        self.samples.clear();
        if let LineFormat::Classic(records) = &mut self.format {
            *records = RecordAssembler::default();
        }
    }

    fn accept_lines(&mut self, text: &[u8], start: usize, line_ends: &[u32]) {
        let LineFormat::Alb(mut decoder) = self.format else {
            return for_each_line(text, start, line_ends, |line| self.accept_line(line));
        };
        self.count_lines(text, start, line_ends, &mut decoder);
        self.format = LineFormat::Alb(decoder);
    }

    fn accept_line(&mut self, line: Line<'_>) {
        match (line, &mut self.format) {
            (Line::Whole(line), LineFormat::Alb(decoder)) => {
                let mut decoder = *decoder;
                self.count_line(line, &mut decoder);
            }
            (Line::Whole(line), LineFormat::Classic(records)) => {
                let mut records = std::mem::take(records);
                records.push_line(line, |record| self.count_record(record));
                self.format = LineFormat::Classic(records);
            }
            (Line::TooLong(start), _) => {
                self.finish();
                self.lines += 1;
                self.record_unparsed(start, LineError::TooLong { bytes_max: LINE_BYTES_MAX });
            }
        }
    }

    fn finish(&mut self) {
        if let LineFormat::Classic(records) = &mut self.format {
            std::mem::take(records).finish(|record| self.count_record(record));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
