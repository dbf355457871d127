"""One file per contender; each defines ``build(num_envs, mode) -> iterate``, where ``iterate()`` runs one iteration."""
