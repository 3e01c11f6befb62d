//! Counts the lines of one object: each is counted for the series it belongs to, or noted as one that is not.

use std::sync::atomic::{AtomicBool, Ordering};

use super::lines::{LINE_BYTES_MAX, Line, LineSink, each_line, whole};
use super::listing::LogFile;
use super::scan::UnparsedLine;
use super::tally::Tally;
use crate::accesslog::alb::{Decoder, LineFault, Request, Wants};
use crate::accesslog::classic::{self, Record, Records};
use crate::accesslog::recognise::recognise;
use crate::accesslog::route::Routes;
use crate::minute::{MINUTES_PER_DAY, Span};

/// Unparsed lines shown of each object.
const SAMPLES: usize = 3;
/// Bytes shown of an unparsed line.
const SAMPLE_BYTES: usize = 200;

/// Counts the lines of one object.
pub(super) struct Counter<'a> {
    routes: &'a Routes,
    form: Form,
    /// The balancer as lines name it.
    load_balancer: &'a [u8],
    interval: Span,
    /// Minutes that its lines may lie in: a day to either side, so that a lying clock cannot touch any day it likes.
    plausible: Span,
    pub(super) tally: &'a mut Tally,
    pub(super) lines: u64,
    pub(super) unparsed: u64,
    pub(super) samples: Vec<UnparsedLine>,
    pub(super) connections: u64,
    cancel: &'a AtomicBool,
}

/// How the balancer writes its lines.
#[expect(clippy::large_enum_variant, reason = "there is one of them for each object")]
pub(super) enum Form {
    Alb(Decoder),
    Classic(Records),
}

impl Form {
    /// How lines of the routes' balancer are read if this is wanted of them, and what they call it.
    pub(super) fn of(routes: &Routes, wants: Wants) -> (Self, &[u8]) {
        match routes.load_balancer().strip_prefix("classic/") {
            Some(name) => (Self::Classic(Records::default()), name.as_bytes()),
            None => (Self::Alb(Decoder::new(wants)), routes.load_balancer().as_bytes()),
        }
    }
}

impl<'a> Counter<'a> {
    pub(super) fn new(routes: &'a Routes, file: &LogFile, tally: &'a mut Tally, cancel: &'a AtomicBool) -> Self {
        let interval = file.interval;
        let plausible = Span::new(interval.start.plus(-MINUTES_PER_DAY), interval.end.plus(MINUTES_PER_DAY));
        let (form, load_balancer) = Form::of(routes, routes.wants());
        let samples = Vec::new();
        Self {
            routes,
            form,
            load_balancer,
            interval,
            plausible,
            tally,
            lines: 0,
            unparsed: 0,
            samples,
            connections: 0,
            cancel,
        }
    }

    #[inline]
    fn count(&mut self, request: &Request<'_>) -> Result<(), LineFault> {
        if request.load_balancer != self.load_balancer {
            return Err(LineFault::misplaced("elb", request.load_balancer));
        }
        if !self.plausible.contains(request.minute) {
            return Err(LineFault::misplaced("time", request.minute.to_string().as_bytes()));
        }
        let tally = &mut *self.tally;
        let place = tally.at(request.minute);
        self.routes.judge(request, |slot, event| tally.add(slot, place, event));
        Ok(())
    }

    /// Counts lines of an Application Load Balancer.
    fn requests(&mut self, text: &[u8], start: usize, ends: &[u32], decoder: &mut Decoder) {
        decoder.usual_lines(
            text,
            start,
            ends,
            self.load_balancer,
            #[inline(always)]
            |decoder, line, request| match request {
                Some(request) if self.plausible.contains(request.minute) => {
                    self.lines += 1;
                    let tally = &mut *self.tally;
                    let place = tally.at(request.minute);
                    self.routes.judge(request, |slot, event| tally.add(slot, place, event));
                }
                _ => match whole(text.get(line).unwrap_or_default()) {
                    Some(Line::Whole(line)) => self.request(line, decoder),
                    Some(too_long) => self.line(too_long),
                    None => {}
                },
            },
        );
    }

    fn request(&mut self, line: &[u8], decoder: &mut Decoder) {
        self.lines += 1;
        if let Err(fault) = decoder.decode(line).and_then(|request| self.count(&request)) {
            self.note(line, fault);
        }
    }

    fn record(&mut self, record: &[u8]) {
        self.lines += 1;
        let counted = classic::decode(record).and_then(|record| match record {
            Record::Request(request) => self.count(&request),
            Record::Connection => {
                self.connections += 1;
                Ok(())
            }
        });
        if let Err(fault) = counted {
            self.note(record, fault);
        }
    }

    #[cold]
    fn note(&mut self, line: &[u8], fault: LineFault) {
        self.unparsed += 1;
        if self.samples.len() < SAMPLES {
            let start = line.get(..SAMPLE_BYTES).unwrap_or(line);
            let text = String::from_utf8_lossy(start).into_owned();
            self.samples.push(UnparsedLine { number: self.lines, text, kind: recognise(line), fault });
        }
    }
}

impl LineSink for Counter<'_> {
    fn restart(&mut self) {
        self.tally.start(self.routes.series().len(), self.interval);
        (self.lines, self.unparsed, self.connections) = (0, 0, 0);
        self.samples.clear();
        if let Form::Classic(records) = &mut self.form {
            *records = Records::default();
        }
    }

    fn lines(&mut self, text: &[u8], start: usize, ends: &[u32]) {
        let Form::Alb(mut decoder) = self.form else {
            return each_line(text, start, ends, |line| self.line(line));
        };
        self.requests(text, start, ends, &mut decoder);
        self.form = Form::Alb(decoder);
    }

    fn line(&mut self, line: Line<'_>) {
        match (line, &mut self.form) {
            (Line::Whole(line), Form::Alb(decoder)) => {
                let mut decoder = *decoder;
                self.request(line, &mut decoder);
            }
            (Line::Whole(line), Form::Classic(records)) => {
                let mut records = std::mem::take(records);
                records.line(line, |record| self.record(record));
                self.form = Form::Classic(records);
            }
            (Line::TooLong(start), _) => {
                self.finish();
                self.lines += 1;
                self.note(start, LineFault::TooLong { bytes_max: LINE_BYTES_MAX });
            }
        }
    }

    fn finish(&mut self) {
        if let Form::Classic(records) = &mut self.form {
            std::mem::take(records).finish(|record| self.record(record));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
