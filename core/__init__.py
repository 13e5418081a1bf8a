"""Everything that is not the window: configuration, adapters, models, data, training, store. Knows no Qt."""
