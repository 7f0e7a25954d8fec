"""The fields of systems/<system>.json and the words that some of them want; changes when the official checkers' do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: SYSTEM_DESC_REQUIRED_FIELDS of the official checker, in its order; True for those that must not be empty
#: (SYSTEM_DESC_MEANINGFUL_RESPONSE_REQUIRED_FIELDS).
FIELDS: Mapping[str, bool] = {
    "division": True,
    "submitter": True,
    "status": True,
    "system_name": True,
    "number_of_nodes": True,
    "host_processor_model_name": True,
    "host_processors_per_node": True,
    "host_processor_core_count": True,
    "host_memory_capacity": True,
    "host_storage_capacity": True,
    "host_storage_type": True,
    "accelerators_per_node": True,
    "accelerator_model_name": True,
    "accelerator_memory_capacity": True,
    "framework": True,
    "operating_system": True,
    "system_type": True,
    "other_software_stack": True,
    "host_processor_frequency": False,
    "host_processor_caches": False,
    "host_memory_configuration": True,
    "host_processor_interconnect": False,
    "host_networking": True,
    "host_networking_topology": True,
    "accelerator_frequency": False,
    "accelerator_host_interconnect": True,
    "accelerator_interconnect": True,
    "accelerator_interconnect_topology": False,
    "accelerator_memory_configuration": True,
    "accelerator_on-chip_memories": False,
    "cooling": True,
    "hw_notes": False,
    "sw_notes": False,
    "host_network_card_count": True,
    "system_type_detail": False,
}
#: SYSTEM_DESC_REQUIRED_FIELDS_NETWORK_MODE besides is_network.
NETWORK_FIELDS = (
    "network_type",
    "network_media",
    "network_rate",
    "nic_loadgen",
    "number_nic_loadgen",
    "net_software_stack_loadgen",
    "network_protocol",
    "number_connections",
    "nic_sut",
    "number_nic_sut",
    "net_software_stack_sut",
    "network_topology",
)
#: What says that a system is reached over a network, and what the rules ask of it that no checker does.
IS_NETWORK, OVERPROVISIONING = "is_network", "overprovisioning"
#: VALID_AVAILABILITIES.
STATUSES = ("available", "preview", "rdi")
SYSTEM_TYPES = ("datacenter", "edge", "datacenter,edge", "edge,datacenter")
