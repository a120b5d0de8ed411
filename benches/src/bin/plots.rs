//! `cargo run --release -p enforce-benches --bin plots -- ratios.json docs/plots`: draws what `ratios --json` has printed.

use std::path::Path;
use std::process::ExitCode;

use enforce_benches::plot::Rows;

const USAGE: &str = "usage: plots RATIOS.json FOLDER";

fn draw(rows: &str, folder: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(rows).map_err(|error| format!("{rows} cannot be read: {error}"))?;
    let rows: Rows =
        serde_json::from_str(&text).map_err(|error| format!("{rows} is not what `ratios --json` prints: {error}"))?;
    std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    for (name, picture) in rows.pictures() {
        let file = folder.join(name);
        std::fs::write(&file, picture).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, folder] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match draw(rows, Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
