"""Opening the store that a configuration names.

What belongs here: which implementation an address asks for. What a store is, is `climb_assets.store.store`.
"""

from climb_assets.config import Config
from climb_assets.config_store import store_folder
from climb_assets.store.local import LocalStore
from climb_assets.store.store import Store


def open_store(config: Config) -> Store:
    """Return the store of a configuration: in the lake, in another folder, or in a bucket.

    Raises
    ------
    ConfigError
        The address cannot be used, or the package is missing that speaks to object stores.
    """
    address = config.store
    if address is None:
        return LocalStore(config.lake)
    if (folder := store_folder(address)) is not None:
        return LocalStore(folder, address)
    from climb_assets.store.objects import ObjectStore

    return ObjectStore(address, config.lake, round(config.runtime.cache_gigabytes * 1e9))
