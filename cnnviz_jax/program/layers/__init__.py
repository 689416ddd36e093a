"""From equations to layers: operations recognised, module calls found, each with its framework's name."""
