"""A program that sees one incident without end, for tests that kill it.

    python -m tests.serve.events.watcher FOLDER URL COOLDOWN [finish]

It prints ``open`` once the event is in the store and an incident goes on. With ``finish`` it then
ends the event and itself.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from costream.serve.config.model import StoreConfig, WebhookConfig
from costream.serve.config.watched import AlertRule
from costream.serve.events.alerts import Alerts
from costream.serve.events.event import EventMessage, ScoredWindow
from costream.serve.sinks.outlet import make_outlet
from costream.serve.store.store import Store
from tests.serve.events.watched import a_camera, a_question
from tests.serve.waiting import until

STRIDE = 0.02


def main(folder: Path, url: str, cooldown: float, finish: bool) -> None:
    store = Store.open(StoreConfig(), folder)
    config = WebhookConfig.model_validate(
        {"type": "webhook", "url": url, "changes": ["new", "end"]}
    )
    messages: list[EventMessage] = []
    alerts = Alerts(
        store,
        {"hook": make_outlet(config, lambda id: Path(id))},
        on_message=messages.append,
        patience=0.1,
    )
    alerts.start()
    camera = a_camera("door", a_question(rule=AlertRule(cooldown=cooldown)))
    alerts.changed([camera])
    told = False
    while True:
        now = time.time()
        window = ScoredWindow(now - 1, now, 0.9, 0.5, STRIDE, time.monotonic())
        alerts.observe(camera, camera.questions[0], window)
        lasting = messages and messages[-1].event.end is None
        if lasting and not told and store.flush(30):
            print("open", flush=True)
            told = True
            if finish:
                break
        time.sleep(STRIDE)
    alerts.changed([])
    until(lambda: store.flush() and store.waiting("hook") == 0)
    alerts.stop()
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), "finish" in sys.argv)
