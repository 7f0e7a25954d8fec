"""systems/<system>.json of the fixtures: all 35 fields (SYSTEM_DESC_REQUIRED_FIELDS of the submission checker)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from submission_fixtures.bases import SUBMITTER

if TYPE_CHECKING:
    from submission_fixtures.bases import Base, System


def description(base: Base, system: System) -> dict[str, str]:
    """Describe a system that does not exist; every value is a string, as the checkers want them."""
    edge = system.system_type == "edge"
    return {
        "division": base.division,
        "submitter": SUBMITTER,
        "status": "available",
        "system_name": f"Example {system.system_type} system",
        "system_type": system.system_type,
        "system_type_detail": "",
        "number_of_nodes": "1",
        "host_processor_model_name": "Example CPU",
        "host_processors_per_node": "1" if edge else "2",
        "host_processor_core_count": "8" if edge else "64",
        "host_processor_frequency": "3.0 GHz",
        "host_processor_caches": "L1d 32 KB, L2 1 MB, L3 16 MB",
        "host_processor_interconnect": "",
        "host_memory_capacity": "32 GB" if edge else "512 GB",
        "host_memory_configuration": "2x 16 GB DDR5" if edge else "16x 32 GB DDR5",
        "host_storage_type": "NVMe SSD",
        "host_storage_capacity": "1 TB",
        "host_networking": "Ethernet",
        "host_network_card_count": "1",
        "host_networking_topology": "N/A",
        "accelerators_per_node": "0",
        "accelerator_model_name": "N/A",
        "accelerator_frequency": "",
        "accelerator_host_interconnect": "N/A",
        "accelerator_interconnect": "N/A",
        "accelerator_interconnect_topology": "",
        "accelerator_memory_capacity": "N/A",
        "accelerator_memory_configuration": "N/A",
        "accelerator_on-chip_memories": "",
        "cooling": "air",
        "framework": "none: a SUT that only waits",
        "operating_system": "Linux",
        "other_software_stack": "Python, LoadGen",
        "hw_notes": "",
        "sw_notes": "",
    }


MEASUREMENTS = {
    "input_data_types": "fp32",
    "retraining": "no",
    "starting_weights_filename": "none",
    "weight_data_types": "fp32",
    "weight_transformations": "none",
}
