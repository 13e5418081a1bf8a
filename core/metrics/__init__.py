"""How well texts are judged: the small numbers beside the loss that papers report on GLUE."""
