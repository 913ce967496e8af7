"""The arena's pages: server-rendered, for phones, keyboards and screen readers; no build step."""
