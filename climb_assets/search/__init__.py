"""The search over mixtures: what to try next, and what the proxies taught."""
