#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| enforce_fuzz_tests::run("gateway_stream", data));
