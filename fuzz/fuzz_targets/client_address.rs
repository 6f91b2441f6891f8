#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cloudaps_fuzz::client_address(input));
