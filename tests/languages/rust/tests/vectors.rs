//! The vectors of protocol/vectors, as `questions.py` writes them: a name, a question and its answer on each line.

#[path = "../src/wire/main.rs"]
mod driver;

#[test]
fn every_vector_is_read_as_it_should() {
    let path = std::env::var("VECTORS").expect("VECTORS names the file");
    let text = std::fs::read_to_string(path).expect("it can be read");
    let mut wrong = Vec::new();
    for line in text.lines() {
        let mut parts = line.split('\t');
        let (Some(name), Some(question), Some(answer)) = (parts.next(), parts.next(), parts.next())
        else {
            panic!("{line}");
        };
        let got = driver::answer(question).unwrap_or_else(|why| format!("bad {why}"));
        let same = if answer.starts_with("ok ") {
            got.rsplit_once(' ').map(|(start, _)| start) == Some(answer)
        } else {
            got == answer
        };
        if !same {
            wrong.push(format!("{name}: {question}\n got {got}\nwant {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(text.lines().count() > 1000);
}
