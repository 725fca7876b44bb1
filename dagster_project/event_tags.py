"""The tags by which Dagster knows the versions of a materialisation; it documents them as text and exports no names.

What belongs here: these names, and those of our own tags.
"""

DATA_VERSION = "dagster/data_version"
DATA_VERSION_IS_OURS = "dagster/data_version_is_user_provided"
CODE_VERSION = "dagster/code_version"
INPUT_DATA_VERSION = "dagster/input_data_version/"  # followed by the asset's name
INPUT_EVENT_POINTER = "dagster/input_event_pointer/"  # followed by the asset's name
PARTITION = "dagster/partition"  # of a run that makes one
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MAX_RETRIES = "dagster/max_retries"  # of a run, by the daemon

# Metadata: what the ledger said when this was reported, and which ledger that is.
LEDGER_ENTRY, LEDGER_HEAD, LEDGER_PLACE = "ledger_entry", "ledger_head", "ledger_place"
HIDDEN = ".dagster/"  # what a tag of a run begins with that no page shows
# The partitions of a run's range that it is to make, as a JSON list; absent: all.
PARTITIONS = f"{HIDDEN}climb_partitions"
