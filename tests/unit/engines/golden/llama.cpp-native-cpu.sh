### distill
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/var/lib/appliance/data/engines/llama.cpp/cpu/current/bin/llama-server \
    --model /srv/models/deepseek-r1-distill-qwen-7b.gguf \
    --alias deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --ctx-size 131072 \
    --parallel 8 \
    --cache-type-k f16 \
    --cache-type-v f16 \
    --batch-size 512 \
    --ubatch-size 512 \
    --cache-ram 512 \
    --threads-http 80 \
    --cors-origins http://127.0.0.1 \
    --fit off \
    --metrics \
    --slots \
    --no-ui \
    --jinja \
    --reasoning-format deepseek \
    --offline \
    --threads 16 \
    --threads-batch 16

### r1
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/var/lib/appliance/data/engines/llama.cpp/cpu/current/bin/llama-server \
    --model /srv/models/deepseek-r1-0528.gguf \
    --alias deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --ctx-size 131072 \
    --parallel 8 \
    --cache-type-k f16 \
    --cache-type-v f16 \
    --batch-size 512 \
    --ubatch-size 512 \
    --cache-ram 512 \
    --threads-http 80 \
    --cors-origins http://127.0.0.1 \
    --fit off \
    --metrics \
    --slots \
    --no-ui \
    --jinja \
    --reasoning-format deepseek \
    --offline \
    --threads 16 \
    --threads-batch 16

### v4
export OMP_WAIT_POLICY=passive
export GOMP_SPINCOUNT=300
/var/lib/appliance/data/engines/llama.cpp/cpu/current/bin/llama-server \
    --model /srv/models/deepseek-v4-flash.gguf \
    --alias deepseek-v4-flash \
    --host 127.0.0.1 \
    --port 8000 \
    --ctx-size 131072 \
    --parallel 8 \
    --cache-type-k f16 \
    --cache-type-v f16 \
    --batch-size 512 \
    --ubatch-size 512 \
    --cache-ram 512 \
    --threads-http 80 \
    --cors-origins http://127.0.0.1 \
    --fit off \
    --metrics \
    --slots \
    --no-ui \
    --jinja \
    --reasoning-format deepseek \
    --offline \
    --threads 16 \
    --threads-batch 16
