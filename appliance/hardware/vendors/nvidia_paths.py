"""Where `nvidia-smi -q -x` and `nvidia-smi -q` keep what we read; newer places first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Path = Sequence[str]
Paths = Mapping[str, Sequence[Path]]

XML: Paths = {
    "name": [("product_name",)],
    "uuid": [("uuid",)],
    "pci": [("pci", "pci_bus_id")],
    "minor": [("minor_number",)],
    "mig": [("mig_mode", "current_mig")],
    "util_pct": [("utilization", "gpu_util")],
    "memory_used_mib": [("fb_memory_usage", "used")],
    "memory_mib": [("fb_memory_usage", "total")],
    "temp_c": [("temperature", "gpu_temp")],
    "temp_memory_c": [("temperature", "memory_temp")],
    "margin": [("temperature", "gpu_temp_tlimit")],
    "slowdown": [("temperature", "gpu_temp_slow_threshold")],
    "shutdown": [("temperature", "gpu_temp_max_threshold")],
    "slowdown_margin": [("temperature", "gpu_temp_slow_tlimit_threshold")],
    "shutdown_margin": [("temperature", "gpu_temp_max_tlimit_threshold")],
    "power_w": [
        ("gpu_power_readings", "power_draw"),
        ("gpu_power_readings", "instant_power_draw"),
        ("gpu_power_readings", "average_power_draw"),
        ("power_readings", "power_draw"),
    ],
    "power_limit_w": [
        ("gpu_power_readings", "current_power_limit"),
        ("gpu_power_readings", "enforced_power_limit"),
        ("gpu_power_readings", "power_limit"),
        ("power_readings", "enforced_power_limit"),
        ("power_readings", "power_limit"),
    ],
    "clock_mhz": [("clocks", "graphics_clock"), ("clocks", "sm_clock")],
    "fan_pct": [("fan_speed",)],
    "gen": [("pci", "pci_gpu_link_info", "pcie_gen", "current_link_gen")],
    "gen_max": [("pci", "pci_gpu_link_info", "pcie_gen", "max_link_gen")],
    "width": [("pci", "pci_gpu_link_info", "link_widths", "current_link_width")],
    "width_max": [("pci", "pci_gpu_link_info", "link_widths", "max_link_width")],
    "reasons": [("clocks_event_reasons",), ("clocks_throttle_reasons",)],
    "ecc": [("ecc_errors", "volatile")],
}

TEXT: Paths = {
    "name": [("Product Name",)],
    "uuid": [("GPU UUID",)],
    "pci": [("PCI", "Bus Id")],
    "minor": [("Minor Number",)],
    "mig": [("MIG Mode", "Current")],
    "util_pct": [("Utilization", "Gpu"), ("Utilization", "GPU")],
    "memory_used_mib": [("FB Memory Usage", "Used")],
    "memory_mib": [("FB Memory Usage", "Total")],
    "temp_c": [("Temperature", "GPU Current Temp")],
    "temp_memory_c": [("Temperature", "Memory Current Temp")],
    "margin": [("Temperature", "GPU T.Limit Temp")],
    "slowdown": [("Temperature", "GPU Slowdown Temp")],
    "shutdown": [("Temperature", "GPU Shutdown Temp")],
    "slowdown_margin": [("Temperature", "GPU Slowdown T.Limit Temp")],
    "shutdown_margin": [("Temperature", "GPU Shutdown T.Limit Temp")],
    "power_w": [
        ("GPU Power Readings", "Power Draw"),
        ("GPU Power Readings", "Instantaneous Power Draw"),
        ("GPU Power Readings", "Average Power Draw"),
        ("Power Readings", "Power Draw"),
    ],
    "power_limit_w": [
        ("GPU Power Readings", "Current Power Limit"),
        ("Power Readings", "Enforced Power Limit"),
        ("Power Readings", "Power Limit"),
    ],
    "clock_mhz": [("Clocks", "Graphics"), ("Clocks", "SM")],
    "fan_pct": [("Fan Speed",)],
    "gen": [("PCI", "GPU Link Info", "PCIe Generation", "Current")],
    "gen_max": [("PCI", "GPU Link Info", "PCIe Generation", "Max")],
    "width": [("PCI", "GPU Link Info", "Link Width", "Current")],
    "width_max": [("PCI", "GPU Link Info", "Link Width", "Max")],
    "reasons": [("Clocks Event Reasons",), ("Clocks Throttle Reasons",)],
    "ecc": [("ECC Errors", "Volatile")],
}
