### distill
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/opt/appliance/bin/python \
    -P \
    -m appliance.engines.llamacpp.serve \
    --model /srv/models/deepseek-r1-distill-qwen-7b.gguf \
    --alias deepseek-r1-distill-qwen-7b \
    --port 8000 \
    --context 16384 \
    --slots 8 \
    --kv-type f16 \
    --ubatch 512 \
    --threads 16 \
    --prompt-cache-mib 512

### r1
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/opt/appliance/bin/python \
    -P \
    -m appliance.engines.llamacpp.serve \
    --model /srv/models/deepseek-r1-0528.gguf \
    --alias deepseek-r1-0528 \
    --port 8000 \
    --context 16384 \
    --slots 8 \
    --kv-type f16 \
    --ubatch 512 \
    --threads 16 \
    --prompt-cache-mib 512

### v4
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/opt/appliance/bin/python \
    -P \
    -m appliance.engines.llamacpp.serve \
    --model /srv/models/deepseek-v4-flash.gguf \
    --alias deepseek-v4-flash \
    --port 8000 \
    --context 16384 \
    --slots 8 \
    --kv-type f16 \
    --ubatch 512 \
    --threads 16 \
    --prompt-cache-mib 512
