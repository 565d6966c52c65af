"""How a data loader orders, shares out and makes rows; `engine.loader` is its face."""
