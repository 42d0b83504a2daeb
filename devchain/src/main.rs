//! Writes the development chain: `cargo run --release -p qmtree-devchain -- testdata/devchain`.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1);
    let folder = PathBuf::from(folder.ok_or("give the folder to write to, as testdata/devchain")?);
    let made = qmtree_devchain::generate()?;
    for (name, bytes) in [
        ("genesis.json", made.genesis.as_bytes()),
        ("chain.rlp", &made.chain),
    ] {
        File::create(folder.join(name))?.write_all(bytes)?;
        println!("{name}: {} bytes", bytes.len());
    }
    Ok(())
}
