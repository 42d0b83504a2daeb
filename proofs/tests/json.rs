//! The JSON forms: as strict as the bytes, whatever serde's derives would let through.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::state::{key, state_log};
use common::{Naive, log};
use qmtree_proofs::{
    Head, InclusionProof, Leaf, LeafPayload, MultiProof, Profile, Proof, RangeProof, RangeWitness,
    Scheme, TxNum, Witness, state::StateProof,
};
use serde_json::{Value, json};

/// One proof of each kind.
fn proofs() -> Vec<Proof> {
    let log = log(Profile::Keccak256, 9);
    let prover = log.prover(9).unwrap();
    let inclusion = prover.inclusion(TxNum(4)).unwrap();
    let range = prover.range(TxNum(2), TxNum(5)).unwrap();
    let leaf = log.leaf(TxNum(4)).unwrap();
    let previous = log.leaf_hash(TxNum(1)).unwrap();
    let payloads = log.payloads(TxNum(2), TxNum(5)).unwrap().to_vec();
    let set = [0, 1, 2, 3, 7].map(TxNum);
    let (state, _) = state_log(Profile::Keccak256, 3, 9);
    vec![
        Proof::Inclusion(inclusion.clone()),
        Proof::Range(range.clone()),
        Proof::Multi(prover.multi(&set).unwrap()),
        Proof::Consistency(prover.consistency(5).unwrap()),
        Proof::Witness(Witness::new(leaf, inclusion).unwrap()),
        Proof::RangeWitness(RangeWitness::new(previous, payloads, range).unwrap()),
        Proof::State(state.prove(&key(3), None).unwrap()),
    ]
}

fn head() -> Head {
    Naive::new(Profile::Keccak256, 9).head(9)
}

fn refused<T: serde::de::DeserializeOwned>(text: &str) -> String {
    let error = serde_json::from_str::<T>(text).err();
    error
        .unwrap_or_else(|| panic!("accepted {text}"))
        .to_string()
}

/// Every text that says the same as `object` with one value in a form that is not allowed.
fn odd_values(object: &Value) -> Vec<(String, String)> {
    let mut odd = Vec::new();
    for (name, value) in object.as_object().unwrap() {
        for other in odd_forms(value) {
            let mut object = object.clone();
            object[name] = other.clone();
            odd.push((format!("{name}: {other}"), object.to_string()));
        }
        let mut fewer = object.clone();
        fewer.as_object_mut().unwrap().remove(name);
        odd.push((format!("without {name}"), fewer.to_string()));
        let twice = format!("{{\"{name}\":{value},{}", &object.to_string()[1..]);
        odd.push((format!("{name} twice"), twice));
        // Numbers with fractions, exponents and signs, which have no `Value` of their own.
        if let Some(number) = value.as_u64() {
            for text in [
                format!("{number}.0"),
                format!("{number}e0"),
                format!("-{number}"),
                "18446744073709551616".into(),
            ] {
                let old = format!("\"{name}\":{number}");
                let odd_text = object
                    .to_string()
                    .replace(&old, &format!("\"{name}\":{text}"));
                odd.push((format!("{name}: {text}"), odd_text));
            }
        }
    }
    odd.push(("unknown".into(), with(object, "verified", json!(true))));
    odd.push(("unknown null".into(), with(object, "verified", json!(null))));
    let values: Vec<_> = object.as_object().unwrap().values().collect();
    odd.push(("an array".into(), json!(values).to_string()));
    odd.push(("in an array".into(), json!([object]).to_string()));
    odd.push(("more after it".into(), format!("{object}{object}")));
    odd
}

fn with(object: &Value, name: &str, value: Value) -> String {
    let mut object = object.clone();
    object[name] = value;
    object.to_string()
}

fn odd_forms(value: &Value) -> Vec<Value> {
    let mut odd = vec![
        json!(null),
        json!(true),
        json!([value]),
        json!({ "value": value }),
        json!(""),
    ];
    match value {
        Value::Number(number) => odd.push(json!(number.to_string())),
        Value::String(text) if text.starts_with("0x") => {
            let bytes = alloy_primitives::hex::decode(text).unwrap();
            odd.extend([
                json!(text[2..]),
                json!(text.replace("0x", "0X")),
                json!(format!("0x{text}")),
                json!(text.replace("0x", "0x0x")[..66]),
                json!(text[..65]),
                json!(format!("{text}00")),
                json!(format!(" {text}")),
                json!(text.replace("0x", "0xg")[..66]),
                json!(bytes),
            ]);
        }
        // A name: serde's derives take a variant in an object, and some take its number.
        Value::String(name) => odd.extend([
            json!({ name: null }),
            json!(0),
            json!(1),
            json!(name.to_uppercase()),
        ]),
        Value::Array(items) => {
            let mut more = items.clone();
            more.extend(items.last().cloned());
            odd.extend([json!(more), json!(items[..items.len() - 1])]);
            for other in odd_forms(&items[0]) {
                let mut items = items.clone();
                items[0] = other;
                odd.push(json!(items));
            }
        }
        Value::Object(fields) => {
            odd.push(json!(fields.values().collect::<Vec<_>>()));
            for (name, field) in fields {
                for other in odd_forms(field) {
                    let mut fields = fields.clone();
                    fields[name] = other;
                    odd.push(Value::Object(fields));
                }
                let mut fields = fields.clone();
                fields.remove(name);
                odd.push(Value::Object(fields.clone()));
                fields.insert("verified".into(), json!(true));
                odd.push(Value::Object(fields));
            }
        }
        Value::Bool(flag) => odd.extend([json!(u8::from(*flag)), json!(flag.to_string())]),
        Value::Null => {}
    }
    odd.retain(|other| other != value);
    odd
}

#[test]
fn no_other_form_of_a_proof_is_accepted() {
    for proof in proofs() {
        let form = serde_json::to_value(&proof).unwrap();
        assert_eq!(
            serde_json::from_value::<Proof>(form.clone()).unwrap(),
            proof
        );
        for (what, text) in odd_values(&form) {
            let found = serde_json::from_str::<Proof>(&text);
            assert!(found.is_err(), "{} {what}", proof.kind());
            let value = serde_json::from_str::<Value>(&text);
            let unlike = |value: &Value| *value != form;
            if let Some(value) = value.ok().filter(unlike) {
                serde_json::from_value::<Proof>(value).expect_err(&what);
            }
        }
    }
}

#[test]
fn no_other_form_of_a_head_is_accepted() {
    let form = serde_json::to_value(head()).unwrap();
    for (what, text) in odd_values(&form) {
        let found = serde_json::from_str::<Head>(&text);
        assert_eq!(found.is_ok(), what == "without headHash", "{what}");
    }
    let wrong = with(&form, "leafCount", json!(10));
    assert!(refused::<Head>(&wrong).starts_with("headHash is 0x"));
    let empty = Head::empty(1, Profile::Blake3, Scheme::ReadSet1);
    let form = serde_json::to_value(empty).unwrap();
    assert_eq!(serde_json::from_value::<Head>(form).unwrap(), empty);
}

#[test]
fn no_other_form_of_a_leaf_is_accepted() {
    let leaf = log(Profile::Keccak256, 2).leaf(TxNum(1)).unwrap();
    let form = serde_json::to_value(leaf).unwrap();
    assert_eq!(serde_json::from_value::<Leaf>(form.clone()).unwrap(), leaf);
    for (what, text) in odd_values(&form) {
        serde_json::from_str::<Leaf>(&text).expect_err(&what);
    }
    let form = serde_json::to_value(leaf.payload()).unwrap();
    let read: LeafPayload = serde_json::from_value(form.clone()).unwrap();
    assert_eq!(read, leaf.payload());
    for (what, text) in odd_values(&form) {
        serde_json::from_str::<LeafPayload>(&text).expect_err(&what);
    }
}

#[test]
fn fields_may_come_in_any_order_and_digits_in_either_case() {
    for proof in proofs() {
        let form = serde_json::to_value(&proof).unwrap();
        let fields: Vec<_> = form.as_object().unwrap().iter().collect();
        for shift in 0..fields.len() {
            let mut fields = fields.clone();
            fields.rotate_left(shift);
            let fields: Vec<_> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            let text = format!("{{{}}}", fields.join(","));
            assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof);
        }
        let siblings = form.get("siblings").or(form.get("nodes")).unwrap();
        let upper = siblings.to_string().to_uppercase().replace("0X", "0x");
        let text = form.to_string().replace(&siblings.to_string(), &upper);
        assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof);
        // An escape is another way to write the same string.
        let text = form.to_string().replace("\"0x", "\"\\u0030x");
        assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof);
    }
}

#[test]
fn a_kind_has_its_own_fields_and_no_others() {
    let forms: Vec<_> = proofs()
        .iter()
        .map(|proof| serde_json::to_value(proof).unwrap())
        .collect();
    for form in &forms {
        for other in &forms {
            for (name, value) in other.as_object().unwrap() {
                if form.get(name).is_none() {
                    let error = refused::<Proof>(&with(form, name, value.clone()));
                    let kind = form["kind"].as_str().unwrap();
                    let text = format!("field `{name}` does not belong to the kind `{kind}`");
                    assert!(error.starts_with(&text), "{error}");
                }
            }
            if form["kind"] != other["kind"] {
                refused::<Proof>(&with(form, "kind", other["kind"].clone()));
            }
        }
    }
    let kinds = |text: &str| {
        [
            serde_json::from_str::<InclusionProof>(text).is_ok(),
            serde_json::from_str::<RangeProof>(text).is_ok(),
            serde_json::from_str::<MultiProof>(text).is_ok(),
            serde_json::from_str::<qmtree_proofs::ConsistencyProof>(text).is_ok(),
            serde_json::from_str::<Witness>(text).is_ok(),
            serde_json::from_str::<RangeWitness>(text).is_ok(),
            serde_json::from_str::<StateProof>(text).is_ok(),
        ]
    };
    for form in &forms {
        let found = kinds(&form.to_string());
        assert_eq!(found.iter().filter(|ok| **ok).count(), 1);
    }
    let error = refused::<RangeProof>(&forms[0].to_string());
    assert!(
        error.starts_with("a proof of another kind than `range`"),
        "{error}"
    );
}

#[test]
fn positions_that_do_not_ascend_are_refused_where_they_stand() {
    let form =
        |tx_nums: &str| format!("{{\"kind\":\"multi\",\"txNums\":{tx_nums},\"no such field\":1}}");
    for (tx_nums, error) in [
        ("[5,5]", "positions must ascend, but 5 follows 5"),
        ("[0,6,5,7]", "positions must ascend, but 5 follows 6"),
        (
            "[[]]",
            "invalid type: sequence, expected an integer, 0 to 2^64 - 1",
        ),
        ("[0,1]", "unknown field `no such field`"),
    ] {
        let found = refused::<Proof>(&form(tx_nums));
        assert!(found.starts_with(error), "{found}");
    }
    refused::<Proof>(&form("[]"));
}

#[test]
fn unknown_names_and_bad_hashes_are_quoted_by_their_beginning() {
    let long = "\u{200b}".repeat(100_000);
    let good = serde_json::to_value(&proofs()[5]).unwrap();
    for text in [
        with(&good, &long, json!(1)),
        with(&good, "kind", json!(long)),
        with(&good, "profile", json!(long)),
        with(&good, "previousLeafHash", json!(long)),
        with(&good, "siblings", json!([long])),
        with(&good, "leaves", json!([{ &long: 1 }])),
    ] {
        let error = refused::<Proof>(&text);
        assert!(error.len() < 500, "{} bytes: {error:.100}", error.len());
    }
}
