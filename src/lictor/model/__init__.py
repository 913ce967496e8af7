"""One backbone, many heads: activations of a language model, the heads that read them, and how heads are trained."""
