"""The report's pages. Filled in by statistics."""

from starlette.routing import Route

from lictor.arena.web.visit import Site


def reports(site: Site) -> list[Route]:
    """None yet."""
    return []
