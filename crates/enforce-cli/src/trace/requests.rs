//! Traces of an LLM service: single requests, in file order. Each is an execution of one step, of one tenant.

use std::rc::Rc;

use super::error::TraceError;
use super::files::Files;
use super::item::{Amounts, Item, ONE_PROVIDER, Run, Step};
use super::order::FileOrder;
use super::source::Source;

/// One request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) time_ns: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// A file of requests that is read row by row.
pub(crate) trait RequestFile: Sized {
    /// The tenant that all requests are of.
    const TENANT: &'static str;

    fn of(source: Source) -> Result<Self, TraceError>;

    fn next(&mut self, order: &mut FileOrder) -> Result<Option<Request>, TraceError>;
}

/// The requests of all files, one after the other.
#[derive(Debug)]
pub(crate) struct Requests<F> {
    files: Files,
    file: Option<F>,
    order: FileOrder,
    row: u64,
    tenant: Rc<str>,
    provider: Rc<str>,
}

impl<F: RequestFile> Requests<F> {
    pub(crate) fn new(files: Files) -> Self {
        Self {
            files,
            file: None,
            order: FileOrder::default(),
            row: 0,
            tenant: F::TENANT.into(),
            provider: ONE_PROVIDER.into(),
        }
    }

    fn request(&mut self) -> Result<Option<Request>, TraceError> {
        loop {
            if let Some(file) = &mut self.file
                && let Some(request) = file.next(&mut self.order)?
            {
                return Ok(Some(request));
            }
            match self.files.next()? {
                Some(source) => self.file = Some(F::of(source)?),
                None => return Ok(None),
            }
        }
    }
}

impl<F: RequestFile> Iterator for Requests<F> {
    type Item = Result<Item, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let request = match self.request() {
            Ok(request) => request?,
            Err(error) => return Some(Err(error)),
        };
        self.row += 1;
        let amounts =
            Amounts { input_tokens: request.input_tokens, output_tokens: request.output_tokens, ..Amounts::default() };
        Some(Ok(Item::Step(Step {
            row: self.row,
            run: Run { tenant: self.tenant.clone(), execution: self.row.to_string().into() },
            step: 1,
            time_ns: request.time_ns,
            provider: self.provider.clone(),
            model: None,
            asked: amounts,
            used: amounts,
            action: None,
            last: true,
        })))
    }
}
