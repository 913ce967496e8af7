"""Chat models behind one protocol (`types.ChatModel`): local weights, compatible endpoints, a script, a cache."""
