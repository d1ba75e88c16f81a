"""The live service: cameras by configuration, events, an API and a page.

Data goes one way here as well: ``config`` says what is watched, ``cameras`` reads and asks it,
``events`` makes incidents of scores, ``store`` keeps them, ``sinks`` tell of them, and ``api``
shows all of it. ``service.py`` puts them together.
"""
