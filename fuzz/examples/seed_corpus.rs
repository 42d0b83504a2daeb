//! Writes the seeds of the corpus: `cargo run --release -p qmtree-fuzz --example seed_corpus`.

use std::io::Write;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, name, bytes) in qmtree_fuzz::seeds::seeds() {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::File::create(folder.join(name))?.write_all(&bytes)?;
    }
    Ok(())
}
