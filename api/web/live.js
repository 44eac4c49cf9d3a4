// Follows the stream of server-sent events. EventSource cannot send a key; fetch can, so this reads by hand.
const AGAIN_MS = 2000,
  SILENT_MS = 40000; // the service says at least every 15 s that it is there

// Calls `heard(event)` for every event and `changed(open)` when the stream opens or breaks; gives its end.
export function follow(path, key, heard, changed) {
  let last = null,
    ended = false,
    reading = null;
  async function listen() {
    reading = new AbortController();
    const headers = {
      Accept: "text/event-stream",
      ...(key && { Authorization: `Bearer ${key}` }),
      ...(last && { "Last-Event-ID": last }),
    };
    let silent = null;
    const alive = () => {
      clearTimeout(silent);
      silent = setTimeout(() => reading.abort(), SILENT_MS);
    };
    try {
      alive();
      const answer = await fetch(path, { headers, cache: "no-store", signal: reading.signal });
      if (!answer.ok) throw new Error(`${answer.status}`);
      changed(true);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        alive();
        const frames = (rest + value).split("\n\n");
        rest = frames.pop();
        for (const frame of frames) {
          const lines = Object.fromEntries(frame.split("\n").map((line) => line.split(/: (.*)/s)));
          if (lines.id) last = lines.id;
          if (lines.event) heard(lines.event);
        }
      }
    } catch {
      /* whatever broke it, it is told by `changed` and opened again */
    } finally {
      clearTimeout(silent);
    }
    if (ended) return;
    changed(false);
    setTimeout(() => {
      if (!ended) listen();
    }, AGAIN_MS);
  }
  listen();
  return () => {
    ended = true;
    reading?.abort();
  };
}
