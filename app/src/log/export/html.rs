//! The log as one page that needs nothing besides: thumbnails, a search box, and the reader's
//! choice of light or dark.
//!
//! What captions say is text and nothing else: everything is escaped, and the page's own policy
//! lets no address be fetched.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::log::data::entry::{FoundEntry, Session};
use crate::log::export::format::FormatWriter;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Captions</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fff, #16181d); color: light-dark(#1b1d22, #e6e8ec); }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem .75rem; position: sticky; top: .5rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
article { display: flex; gap: 1rem; padding: .5rem 0; border-top: 1px solid light-dark(#ddd, #333); }
article[hidden] { display: none; }
img { width: 160px; height: auto; align-self: start; border-radius: 4px; flex: none; }
p { margin: 0; overflow-wrap: anywhere; }
time, .aside { color: light-dark(#666, #9aa0aa); font-size: .85rem; }
</style>
</head>
<body>
<h1>Captions</h1>
<input type="search" id="words" placeholder="Search" aria-label="Search captions">
<p class="aside" id="count" role="status"></p>
"#;

const TAIL: &str = r"<script>
// Case and accents do not count, as in the log itself.
const plain = text => text.normalize('NFKD').replace(/\p{Mn}/gu, '').toUpperCase().toLowerCase();
const entries = [...document.querySelectorAll('article')].map(e => [e, plain(e.textContent)]);
const words = document.getElementById('words'), count = document.getElementById('count');
function show() {
  const wanted = plain(words.value).split(/\s+/).filter(w => w);
  let shown = 0;
  for (const [entry, text] of entries) {
    entry.hidden = !wanted.every(w => text.includes(w));
    if (!entry.hidden) shown++;
  }
  count.textContent = shown + ' of ' + entries.length;
}
words.addEventListener('input', show);
show();
</script>
</body>
</html>
";

/// Writes HTML.
pub struct Html<'a, W> {
    out: &'a mut W,
}

impl<'a, W: Write> Html<'a, W> {
    pub fn new(out: &'a mut W) -> Self {
        Self { out }
    }
}

impl<W: Write> FormatWriter for Html<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(HEAD.as_bytes())
    }

    fn session(&mut self, session: &Session) -> io::Result<()> {
        let began = session.start.began.civil().strftime("%Y-%m-%d %H:%M");
        let (source, model) = (escaped(&session.start.source), escaped(&session.start.card.model));
        writeln!(
            self.out,
            "<h2>{began}, {source}</h2>\n<p class=\"aside\">Session {}, captioned by {model}</p>",
            session.id
        )
    }

    fn wants_thumbnails(&self) -> bool {
        true
    }

    fn entry(&mut self, found: FoundEntry, thumbnail: Option<&[u8]>) -> io::Result<()> {
        let entry = found.entry;
        writeln!(self.out, "<article id=\"entry-{}\">", entry.id)?;
        if let Some(jpeg) = thumbnail {
            writeln!(
                self.out,
                "<img alt=\"\" loading=\"lazy\" src=\"data:image/jpeg;base64,{}\">",
                BASE64.encode(jpeg)
            )?;
        }
        let star = if entry.bookmarked { " ★" } else { "" };
        let (time, clock) = (entry.at.rfc3339(), entry.at.civil().strftime("%H:%M:%S"));
        writeln!(self.out, "<div><time datetime=\"{time}\">{clock}</time>{star}")?;
        if let Some(question) = &entry.question {
            writeln!(self.out, "<p><em>{}</em></p>", escaped(question))?;
        }
        writeln!(self.out, "<p>{}</p>", escaped(&entry.text))?;
        if let Some(note) = &entry.note {
            writeln!(self.out, "<p class=\"aside\">{}</p>", escaped(note))?;
        }
        writeln!(self.out, "</div></article>")
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(TAIL.as_bytes())
    }
}

/// Text as HTML has it, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
