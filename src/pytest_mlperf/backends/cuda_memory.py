"""The memory and the streams of one GPU, through NVIDIA's own package cuda-bindings.

That package has CUDA's runtime linked in and needs the driver alone: not the gigabytes of PyTorch, and no library that
must be found first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.tensorrt_builder import checked

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Gpu:
    """A GPU by its number, among those that CUDA_VISIBLE_DEVICES leaves.

    Raises
    ------
    CudaError
        From any method: a function of CUDA failed.
    """

    def __init__(self, number: int) -> None:
        from cuda.bindings import runtime

        self._cuda = runtime
        self._number = number

    def choose(self) -> None:
        """Make it the GPU of the calling thread: each thread has one, and begins with the first."""
        checked(self._cuda.cudaSetDevice(self._number))

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes of its memory."""
        self.choose()
        return int(checked(self._cuda.cudaMalloc(size)))

    def free(self, address: int) -> None:
        """Give memory back."""
        checked(self._cuda.cudaFree(address))

    def owner(self, address: int) -> int:
        """Return the number of the GPU that has the memory at an address."""
        return int(checked(self._cuda.cudaPointerGetAttributes(address)).device)

    def new_stream(self) -> int:
        """Return a stream's handle."""
        self.choose()
        return int(checked(self._cuda.cudaStreamCreate()))

    def end_stream(self, stream: int) -> None:
        """Remove a stream."""
        checked(self._cuda.cudaStreamDestroy(stream))

    def copy_in(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Copy a contiguous array to the GPU; it must live until `wait`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        checked(self._cuda.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, kind, stream))

    def copy_out(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Copy from the GPU into a contiguous array; it is filled after `wait`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        checked(self._cuda.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, kind, stream))

    def wait(self, stream: int) -> None:
        """Wait until all that was asked of a stream is done."""
        checked(self._cuda.cudaStreamSynchronize(stream))


class Buffers:
    """Memory of a GPU by name; one grows with what is put into it."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._there: dict[str, tuple[int, int]] = {}

    def at_least(self, name: str, size: int) -> int:
        """Return the address of at least so many bytes."""
        address, there = self._there.get(name, (0, -1))
        if size > there:
            if there >= 0:
                del self._there[name]
                self._gpu.free(address)
            address = self._gpu.allocate(max(size, 1))
            self._there[name] = address, size
        return address

    def owners(self) -> set[int]:
        """Return the numbers of the GPUs that have the memory."""
        return {self._gpu.owner(address) for address, _ in self._there.values()}

    def free(self) -> None:
        """Give all of it back."""
        while self._there:
            address, _ = self._there.popitem()[1]
            self._gpu.free(address)
