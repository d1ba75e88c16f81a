"""What routes are given of the service: by FastAPI's dependencies."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from costream.serve.api.authority import Authority, Rights
from costream.serve.api.clients import Clients
from costream.serve.backend import Backend
from costream.serve.config.model import ServerConfig


async def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


async def _server(request: Request) -> ServerConfig:
    server: ServerConfig = request.app.state.server
    return server


async def _authority(request: Request) -> Authority:
    authority: Authority = request.app.state.authority
    return authority


async def _clients(request: Request) -> Clients:
    clients: Clients = request.app.state.clients
    return clients


async def _rights(request: Request) -> Rights:
    rights: Rights = request.state.rights
    return rights


Service = Annotated[Backend, Depends(_backend)]
Server = Annotated[ServerConfig, Depends(_server)]
Gate = Annotated[Authority, Depends(_authority)]
LongLived = Annotated[Clients, Depends(_clients)]
Granted = Annotated[Rights, Depends(_rights)]
