//! Whatever is typed is taken or refused with a place in it; and what is taken, written out, means the same.
#![no_main]

use lectern::search::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Query::parse(text) {
        Err(error) => {
            let length = text.chars().count();
            assert!(error.span.start <= error.span.end && error.span.end <= length, "{:?} in {length} characters", error.span);
            assert!(!error.message.is_empty() && !error.hint.is_empty());
        }
        Ok(query) => {
            let written = query.to_string();
            // Quotes and backslashes take room.
            if written.len() <= Query::LONGEST {
                assert_eq!(Query::parse(&written).as_ref(), Ok(&query), "{text:?} was written out as {written:?}");
            }
        }
    }
});
