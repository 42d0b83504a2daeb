//! docs/METRICS.md against what is emitted: every name, kind, unit, label, field and level.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::{identity, leaves};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use qmtree::proofs::TxNum;
use qmtree::{At, Db, Error, Options};
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

const PAGE: &str = include_str!("../../docs/METRICS.md");

/// The rows of the table under a heading of the page, cell by cell, without backticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let (_, section) = PAGE.split_once(&format!("## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &str| -> Vec<String> {
        let cells = row.trim_matches('|').split('|').map(str::trim);
        cells.map(|cell| cell.replace('`', "")).collect()
    };
    rows.map(cells).collect()
}

fn list(cell: &str) -> Vec<String> {
    let mut names: Vec<_> = cell.split(", ").filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.into_iter().map(str::to_owned).collect()
}

/// What was told to the recorder: by name the kind, the labels, and the sum of what was recorded.
#[derive(Clone, Debug, Default)]
struct Recorded {
    kinds: BTreeMap<String, (&'static str, Vec<String>)>,
    units: BTreeMap<String, &'static str>,
    values: BTreeMap<String, f64>,
    operations: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Recorded>>);

#[derive(Debug)]
struct Metric {
    told: Told,
    name: String,
}

impl Told {
    fn metric(&self, kind: &'static str, key: &Key) -> Arc<Metric> {
        let labels: Vec<_> = key.labels().map(|label| label.key().to_owned()).collect();
        let mut recorded = self.0.lock().unwrap();
        for label in key.labels() {
            recorded.operations.insert(label.value().to_owned());
        }
        let name = key.name().to_owned();
        recorded.kinds.insert(name.clone(), (kind, labels));
        drop(recorded);
        Arc::new(Metric {
            told: self.clone(),
            name,
        })
    }

    fn describe(&self, kind: &'static str, name: &KeyName, unit: Option<Unit>) {
        let unit = unit.unwrap().as_str();
        let mut recorded = self.0.lock().unwrap();
        recorded.units.insert(name.as_str().to_owned(), unit);
        recorded
            .kinds
            .insert(name.as_str().to_owned(), (kind, vec![]));
    }

    fn take(&self) -> Recorded {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Metric {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut recorded = self.told.0.lock().unwrap();
        let value = recorded.values.entry(self.name.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.change(|sum| sum + value as f64);
    }
    fn absolute(&self, _: u64) {
        panic!("counters count")
    }
}

impl GaugeFn for Metric {
    fn increment(&self, _: f64) {
        panic!("gauges are set")
    }
    fn decrement(&self, _: f64) {
        panic!("gauges are set")
    }
    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{} {value}", self.name);
        self.change(|count| count + 1.0);
    }
}

impl Recorder for Told {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe("counter", &key, unit);
    }
    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe("gauge", &key, unit);
    }
    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe("histogram", &key, unit);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric("counter", key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric("gauge", key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric("histogram", key))
    }
}

/// Name, level and fields of each span and event of the engine.
#[derive(Clone, Debug, Default)]
struct Traced(Arc<Mutex<BTreeSet<Line>>>);

/// Span or event, its name, level and fields.
type Line = (&'static str, String, String, Vec<String>);

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Traced {
    fn add(&self, what: &'static str, name: &str, metadata: &tracing::Metadata<'_>) {
        let level = metadata.level().as_str().to_lowercase();
        let names = metadata.fields().iter().map(|field| field.name());
        let mut fields: Vec<_> = names.filter(|name| *name != "message").collect();
        fields.sort_unstable();
        let fields = fields.into_iter().map(str::to_owned).collect();
        self.0
            .lock()
            .unwrap()
            .insert((what, name.to_owned(), level, fields));
    }
}

impl Subscriber for Traced {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("qmtree")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert_eq!(span.metadata().target(), "qmtree");
        self.add("span", span.metadata().name(), span.metadata());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "qmtree");
        let mut message = Message::default();
        event.record(&mut message);
        self.add("event", &message.0, event.metadata());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Does all that the page lists; returns the number of operations that failed.
fn everything() -> Result<u64, Error> {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let options = Options::default()
        .with_unwind_window_blocks(1)
        .with_segment_twigs(1);
    let dir = Path::new("/db");
    let mut db = Db::create_on(Arc::clone(&disk), dir, identity(), options)?;
    for block in 0..6 {
        db.append_block(block, &leaves(0, block, 1000))?;
    }
    db.append_block(5, &leaves(0, 5, 1000))?;
    let view = db.view();
    for i in [7, 5000] {
        view.witness(TxNum(i), At::Head)?;
    }
    view.range_witness(TxNum(7)..TxNum(9), At::Block(4))?;
    view.prove_multi(&[TxNum(1), TxNum(4000)], At::Head)?;
    view.prove_many(&[TxNum(1), TxNum(4000), TxNum(4001)], At::Head)?;
    view.prove_consistency(2, At::Head)?;
    db.unwind_to(4)?;
    db.prune_to(3)?;
    db.check()?;
    db.checkpoint("/copy")?;
    db.append_block(9, &[]).unwrap_err();
    db.sync()?;
    sim.fail_at(sim.steps());
    db.append_block(5, &leaves(1, 5, 10)).unwrap_err();
    db.append_block(5, &leaves(1, 5, 10)).unwrap_err();
    Ok(3)
}

#[test]
fn the_page_lists_what_is_emitted_and_nothing_else() {
    let (told, traced) = (Told::default(), Traced::default());
    // The whole process: segments are written on another thread.
    metrics::set_global_recorder(told.clone()).unwrap();
    tracing::subscriber::set_global_default(traced.clone()).unwrap();
    qmtree::describe_metrics();
    let described = told.take();
    let failed = everything().unwrap();
    let emitted = told.take();

    let rows = table("Metrics");
    assert!(rows.len() > 10);
    let page: BTreeMap<_, _> = rows.iter().map(|row| (row[0].clone(), row)).collect();
    let on_page: BTreeSet<_> = page.keys().cloned().collect();
    let found: BTreeSet<_> = emitted.kinds.keys().cloned().collect();
    assert_eq!(found, on_page);
    let with_units: BTreeSet<_> = described.units.keys().cloned().collect();
    assert_eq!(with_units, on_page);
    for (name, row) in page {
        let (kind, labels) = &emitted.kinds[&name];
        assert_eq!((*kind, labels), (row[1].as_str(), &list(&row[3])), "{name}");
        assert_eq!(described.kinds[&name].0, row[1], "{name}");
        assert_eq!(
            described.units[&name].trim_end_matches('s'),
            row[2].trim_end_matches('s')
        );
        assert!(emitted.values[&name] > 0.0, "{name}");
    }

    let mut spans = BTreeSet::new();
    for (what, heading) in [("span", "Spans"), ("event", "Events")] {
        let rows = table(heading).into_iter();
        spans.extend(rows.map(|row| (what, row[0].clone(), row[1].clone(), list(&row[2]))));
    }
    assert_eq!(*traced.0.lock().unwrap(), spans);
    let operations: BTreeSet<_> = table("Spans")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(emitted.operations, operations);

    // The numbers are those of what was done.
    for (name, value) in [
        ("qmtree_appended_blocks_total", 6.0),
        ("qmtree_appended_leaves_total", 6000.0),
        ("qmtree_unwound_blocks_total", 1.0),
        ("qmtree_sealed_leaves_total", 4096.0),
        ("qmtree_pruned_segments_total", 1.0),
        ("qmtree_proofs_total", 8.0),
        ("qmtree_operation_errors_total", failed as f64),
        ("qmtree_poisoned_total", 1.0),
        ("qmtree_block_number", 4.0),
        ("qmtree_leaf_count", 5000.0),
        ("qmtree_sealed_leaf_count", 4096.0),
    ] {
        assert_eq!(emitted.values[name], value, "{name}");
    }
}
