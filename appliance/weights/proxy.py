"""Telling a proxy that is in the way from a server that is."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from appliance.core.i18n import Text, say
from appliance.weights.faults import SourceFault, no_answer

_HINT = say("check HTTPS_PROXY and NO_PROXY")


def proxy_refused(host: str, why: object) -> SourceFault:
    """The proxy answers, but lets nobody through; with a 5xx, because it gets nowhere itself."""
    refusal = say("the proxy refused ({why})", why=str(why))
    return no_answer(host, refusal, _HINT, passing=str(why).startswith("5"))


def refused_by_proxy(url: str, status: int) -> bool:
    """Whether an answer without a word of the hub is rather the proxy's: it reads plain HTTP."""
    return status == 403 and urlsplit(url).scheme == "http" and proxy_of(url) is not None


def unreached_proxy(url: str, error: Exception) -> SourceFault | None:
    """What it means that no connection came about, where that was to be one to a proxy."""
    proxy = proxy_of(url)
    if proxy is None or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return None
    why = say("the proxy {proxy} cannot be reached ({why})", proxy=proxy, why=str(error))
    return no_answer(urlsplit(url).netloc, why, _HINT)


def proxy_of(url: str) -> str | None:
    """Host and port of the proxy that this machine is set up with for `url`."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy.rpartition("@")[2].rpartition("//")[2].rstrip("/") if proxy else None


@contextmanager
def usable_proxy(host: str) -> Iterator[None]:
    """Turn what httpx says about settings of a proxy that it cannot use into a `SourceFault`."""
    try:
        yield
    except ImportError as error:
        raise _unusable(host, say("SOCKS is not supported")) from error
    except (ValueError, httpx.InvalidURL) as error:  # its words may hold a part of a password
        raise _unusable(host, say("its address cannot be read")) from error


def _unusable(host: str, why: Text) -> SourceFault:
    fault = no_answer(
        host,
        say("the proxy that is set cannot be used ({why})", why=why),
        say(
            "HTTPS_PROXY must be http://HOST:PORT or https://HOST:PORT; unset ALL_PROXY; signs in "
            "a password are written as %40 for @, %2F for /"
        ),
    )
    return SourceFault(fault.error, lasting=True)
