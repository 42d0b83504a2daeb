//! State tests: a file of our own, and all those under QMTREE_DATA.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::B256;
use qmtree_execution_adapter::statetest::{
    CaseReport, FileReport, Mismatch, Selection, StateTestError, StateTestFile, Tracing, find,
    run_files,
};
use qmtree_execution_adapter::{TraceError, TraceLimits};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

fn own_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/statetests/own.json")
}

fn own() -> Value {
    serde_json::from_slice(&std::fs::read(own_path()).unwrap()).unwrap()
}

fn parse(tests: &Value) -> Result<StateTestFile, StateTestError> {
    StateTestFile::parse(Path::new("tests.json"), tests.to_string().as_bytes())
}

fn run(tests: &Value) -> Vec<CaseReport> {
    let file = parse(tests).unwrap();
    let cases = file.cases();
    cases.iter().map(|case| case.run(Tracing::On)).collect()
}

fn failures(reports: &[CaseReport]) -> Vec<String> {
    let failed = reports.iter().filter_map(|report| {
        let failure = report.verdict.as_ref().err()?;
        Some(format!("{}: {failure}", report.id))
    });
    failed.collect()
}

/// A test of the own file, alone.
fn one(name: &str) -> Value {
    json!({ name: own()[name] })
}

#[test]
fn our_own_tests_pass_under_every_fork() {
    let reports = run(&own());
    assert_eq!(failures(&reports), [""; 0]);
    assert_eq!(reports.len(), 320);
    let mut forks: Vec<_> = reports
        .iter()
        .map(|report| report.id.fork.as_str())
        .collect();
    forks.sort_unstable();
    forks.dedup();
    assert_eq!(forks.len(), 15);
    for report in &reports {
        let steps = report.steps.unwrap().opcodes;
        if report.id.test.starts_with("refused_") {
            assert_eq!((report.gas_used, steps), (None, 0), "{}", report.id);
        }
    }
    let longest = reports.iter().map(|report| report.steps.unwrap().opcodes);
    assert!(longest.max() > Some(10));
}

#[test]
fn every_tampered_expectation_fails() {
    let flip = |text: &Value| {
        let mut hash: B256 = text.as_str().unwrap().parse().unwrap();
        hash.0[31] ^= 1;
        Value::from(hash.to_string())
    };
    let names: Vec<_> = own().as_object().unwrap().keys().cloned().collect();
    for name in names {
        for field in ["hash", "logs"] {
            let mut tests = one(&name);
            for cases in tests[&name]["post"].as_object_mut().unwrap().values_mut() {
                for case in cases.as_array_mut().unwrap() {
                    if case[field].is_string() {
                        case[field] = flip(&case[field]);
                    }
                }
            }
            if tests == one(&name) {
                continue;
            }
            for report in run(&tests) {
                let failure = report.verdict.unwrap_err();
                let right = match failure {
                    Mismatch::Root { .. } | Mismatch::Refused { .. } => field == "hash",
                    Mismatch::Logs { .. } => field == "logs",
                    _ => false,
                };
                assert!(right, "{name}, {field}: {failure}");
            }
        }
    }
}

#[test]
fn an_exception_has_to_happen_where_it_is_expected() {
    let mut tests = one("storage_and_logs");
    tests["storage_and_logs"]["post"]["London"][0]["expectException"] = json!("Some.EXCEPTION");
    let failed = failures(&run(&tests));
    assert_eq!(
        failed,
        ["storage_and_logs [London, data 0, gas 0, value 0]: \
          the transaction ran, expected was Some.EXCEPTION"]
    );
}

#[test]
fn where_none_is_expected_a_refusal_has_to_leave_the_root_of_the_file() {
    // The root of a state that has not changed says the same as an exception.
    let mut tests = one("refused_no_funds");
    let post = &mut tests["refused_no_funds"]["post"];
    post["London"][0]
        .as_object_mut()
        .unwrap()
        .remove("expectException");
    assert_eq!(failures(&run(&tests)), [""; 0]);
    // Any other root does not.
    post_of(&mut tests)["hash"] = json!(B256::ZERO);
    let failed = failures(&run(&tests));
    assert_eq!(failed.len(), 1);
    let says = "the transaction was refused: lack of funds";
    assert!(failed[0].contains(says), "{failed:?}");
}

fn post_of(tests: &mut Value) -> &mut Value {
    &mut tests["refused_no_funds"]["post"]["London"][0]
}

#[test]
fn net_gas_metering_is_for_constantinople_alone() {
    let gas = |fork: &str| {
        let reports = run(&one("storage_and_logs"));
        let report = reports.iter().find(|report| report.id.fork == fork);
        report.unwrap().gas_used.unwrap()
    };
    assert_eq!(gas("Byzantium"), gas("ConstantinopleFix"));
    assert!(gas("Constantinople") < gas("Byzantium"));
    assert_ne!(gas("Constantinople"), gas("Istanbul"));
}

/// The tracer gives up, and the transaction comes to what it comes to without one.
#[test]
fn a_trace_beyond_its_limits_fails_its_case_and_nothing_else() {
    let file = parse(&own()).unwrap();
    let limits = TraceLimits {
        steps: 10,
        ..TraceLimits::default()
    };
    let (mut beyond, mut within) = (0, 0);
    for case in file.cases() {
        let steps = case.run(Tracing::On).steps.unwrap().opcodes;
        let limited = case.run(Tracing::Limited(limits));
        if steps > 10 {
            let error = TraceError::TooManySteps { limit: 10 };
            assert_eq!(limited.verdict, Err(Mismatch::Trace { error }));
            assert_eq!(limited.steps, None);
            beyond += 1;
        } else {
            assert_eq!(limited.verdict, Ok(()));
            within += 1;
        }
    }
    assert!(beyond > 10 && within > 10, "{beyond}, {within}");
}

#[test]
fn unknown_forks_are_named_and_not_run() {
    let mut tests = one("dynamic_fee");
    let post = tests["dynamic_fee"]["post"].as_object_mut().unwrap();
    let cases = post.remove("London").unwrap();
    post.clear();
    post.insert("ParisToShanghaiAtTime15k".into(), cases);
    let file = parse(&tests).unwrap();
    assert!(file.cases().is_empty());
    let [skipped] = file.skipped() else { panic!() };
    assert_eq!(skipped.test, "dynamic_fee");
    let what = "1 cases of unknown fork \"ParisToShanghaiAtTime15k\"";
    assert_eq!(skipped.what, what);
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    let refusal = |tests: Value| parse(&tests).unwrap_err().to_string();
    let unit = json!({ "env": {}, "pre": {}, "transaction": {}, "post": {} });
    let mut blocks = unit.clone();
    blocks["blocks"] = json!([]);
    let mut filler = unit;
    filler["expect"] = json!([]);
    for (tests, what) in [
        (json!({}), "it is empty"),
        (
            json!({ "a": blocks }),
            "\"a\" has blocks: it is a blockchain test",
        ),
        (
            json!({ "a": filler }),
            "\"a\" has expect: it is the source of a test, not yet filled",
        ),
        (
            json!({ "a": { "env": {}, "pre": {} } }),
            "\"a\" has no transaction",
        ),
        (json!({ "a": 1 }), "\"a\" is no object"),
        (json!({ "_info": {} }), "\"_info\" is a comment"),
    ] {
        let expected = format!("tests.json: no state tests in it: {what}");
        assert_eq!(refusal(tests), expected);
    }
}

#[test]
fn bad_fields_are_refused_with_their_place() {
    let wide = format!("0x1{}", "0".repeat(64));
    let sender = "/dynamic_fee/pre/0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b";
    let at = |field: &str| format!("/dynamic_fee/{field}");
    for (pointer, value, says) in [
        (
            at("transaction/gasLimit/0"),
            json!("many"),
            "invalid value: string \"many\"",
        ),
        (at("transaction/to"), json!("0x12"), "line 1 column"),
        (at("post/London/0/hash"), json!(7), "invalid type"),
        (at("pre"), json!({ "0x00": {} }), "line 1 column"),
        (at("env"), json!(1), "expected struct Env"),
        (
            format!("{sender}/balance"),
            json!(wide),
            "a number is too wide",
        ),
        (
            format!("{sender}/nonce"),
            json!("0x10000000000000000"),
            "a number is too wide",
        ),
    ] {
        let mut tests = one("dynamic_fee");
        *tests.pointer_mut(&pointer).unwrap() = value;
        let error = parse(&tests).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let text = format!("{error}: {source}");
        let start = "tests.json: test \"dynamic_fee\": ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains(says), "{pointer}: {text}");
    }
}

#[test]
fn an_index_outside_its_list_is_refused() {
    for (index, list) in [("data", "data"), ("gas", "gasLimit"), ("value", "value")] {
        let mut tests = one("dynamic_fee");
        tests["dynamic_fee"]["post"]["London"][0]["indexes"][index] = json!(1);
        assert_eq!(
            parse(&tests).unwrap_err().to_string(),
            format!("tests.json: test \"dynamic_fee\": fork London picks {list} number 1 of 1")
        );
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_no_panic() {
    let json = one("delegation").to_string();
    for len in 0..json.len() {
        let cut = StateTestFile::parse(Path::new("cut.json"), &json.as_bytes()[..len]);
        let error = cut.unwrap_err();
        assert!(
            matches!(error, StateTestError::Json { .. }),
            "{len}: {error}"
        );
    }
    let deep = "[".repeat(1 << 20);
    for bytes in [
        deep.as_bytes(),
        format!("{{\"a\": {deep}").as_bytes(),
        &[0xff; 8],
        b"",
    ] {
        StateTestFile::parse(Path::new("bytes.json"), bytes).unwrap_err();
    }
}

#[test]
fn absurd_environments_end_in_a_verdict() {
    let max = format!("0x{}", "f".repeat(64));
    for field in [
        "currentBaseFee",
        "currentExcessBlobGas",
        "currentGasLimit",
        "currentNumber",
        "currentTimestamp",
        "currentDifficulty",
        "currentRandom",
    ] {
        let mut tests = own();
        for test in tests.as_object_mut().unwrap().values_mut() {
            test["env"][field] = json!(max);
            test["config"] = json!({ "blobSchedule": {
                "Cancun": { "baseFeeUpdateFraction": "0x0", "max": max, "target": max },
                "Osaka": { "baseFeeUpdateFraction": max, "max": "0x0" },
            }});
        }
        // Whatever they come to, there is one report for each case.
        assert_eq!(run(&tests).len(), 320);
    }
}

#[test]
fn compressed_files_and_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("b/deeper")).unwrap();
    std::fs::create_dir_all(at(".meta")).unwrap();
    let json = one("dynamic_fee").to_string();
    let packed = zstd::encode_all(json.as_bytes(), 1).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        use std::io::Write as _;
        let mut file = std::fs::File::create(at(name)).unwrap();
        file.write_all(bytes).unwrap();
    };
    write("b/deeper/1.json.zst", &packed);
    write("a.json", json.as_bytes());
    write("README.md", b"no");
    write(".meta/index.json", b"{}");
    write("broken.json.zst", &packed[..100]);
    let files = find(&[folder.path().into(), at("README.md")]).unwrap();
    let name = |path: &Path| {
        let path = path.strip_prefix(folder.path()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let names: Vec<_> = files
        .iter()
        .map(|found| (name(&found.path), found.named))
        .collect();
    let expected = [
        ("a.json", false),
        ("b/deeper/1.json.zst", false),
        ("broken.json.zst", false),
        ("README.md", true),
    ];
    assert_eq!(
        names,
        expected.map(|(name, named)| (name.to_owned(), named))
    );
    let mut ran = Vec::new();
    let report = |report: FileReport<'_>| {
        let result = report.result.map(|result| result.cases.len());
        ran.push(result.map_err(|error| error.to_string()));
        Ok::<(), Infallible>(())
    };
    run_files(&files, &Selection::default(), &|| (), report).unwrap();
    assert_eq!(ran[..2], [Ok(6), Ok(6)]);
    let error = |at: usize| ran[at].as_ref().unwrap_err();
    assert!(error(2).ends_with("broken.json.zst: cannot decompress"));
    assert!(error(3).ends_with("README.md: not a JSON object of named tests"));
    let absent = find(&[at("absent")]).unwrap_err();
    assert!(absent.to_string().ends_with("absent: cannot open"));
}

#[test]
fn a_selection_takes_forks_and_names() {
    let files = find(&[own_path()]).unwrap();
    let selected = |selection: &Selection| {
        let mut cases = Vec::new();
        let report = |report: FileReport<'_>| {
            cases.extend(report.result.unwrap().cases);
            Ok::<(), Infallible>(())
        };
        run_files(&files, selection, &|| (), report).unwrap();
        cases
    };
    let forks = selected(&Selection {
        forks: vec!["Cancun".into(), "Osaka".into()],
        ..Selection::default()
    });
    let right = |case: &CaseReport| matches!(case.id.fork.as_str(), "Cancun" | "Osaka");
    assert!(forks.iter().all(right));
    let named = selected(&Selection {
        filter: Some("blob_fee".into()),
        tracing: Tracing::Off,
        ..Selection::default()
    });
    assert!(!named.is_empty() && named.len() < forks.len());
    let right = |case: &CaseReport| case.id.test.contains("blob_fee") && case.steps.is_none();
    assert!(named.iter().all(right));
}

/// About ten seconds of one core, some of them for the table of the KZG precompile.
#[test]
fn all_shipped_state_tests_pass() {
    let Ok(data) = std::env::var("QMTREE_DATA") else {
        println!("SKIPPED: QMTREE_DATA is not set");
        return;
    };
    let files = find(&[Path::new(&data).join("statetests")]).unwrap();
    assert!(!files.is_empty());
    let (mut failed, mut passed, mut steps) = (Vec::new(), 0, 0);
    let report = |report: FileReport<'_>| {
        let result = report.result.unwrap();
        assert_eq!(result.skipped, []);
        failed.extend(failures(&result.cases));
        passed += result.cases.len();
        for case in &result.cases {
            steps += case.steps.map_or(0, |steps| steps.opcodes);
        }
        Ok::<(), Infallible>(())
    };
    run_files(&files, &Selection::default(), &|| (), report).unwrap();
    println!("{passed} cases, {steps} steps");
    assert_eq!(failed, [""; 0]);
    assert!(passed > 0 && steps > 0);
}
