### distill
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/vllm-cpu/v1/bin:/usr/bin:/bin
export VLLM_CPU_OMP_THREADS_BIND=nobind
export OMP_NUM_THREADS=16
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/var/lib/appliance/data/engines/environments/vllm-cpu/v1/bin/python3 \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 1 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --kv-cache-memory-bytes 4294967296 \
    --enforce-eager
