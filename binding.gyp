# The native addon: build/Release/dlfs.node.
# It links nothing of its own: libuv, OpenSSL and Node-API are exported by the node binary, their headers come with it.
{
  'targets': [{
    'target_name': 'dlfs',
    'sources': ["<!@(LC_ALL=C find native/src -name '*.cc' | LC_ALL=C sort)"],
    'include_dirs': ['native/src'],
    'defines': ['NAPI_VERSION=9', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL', '_FILE_OFFSET_BITS=64', '_GNU_SOURCE'],
    # node's own defaults forbid exceptions and RTTI and are those of another standard.
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++20', '-Wno-unused-parameter'],
    'cflags!': ['-O3', '-Wno-unused-parameter'],
    'cflags_cc': [
      '-std=c++20',
      '-O2',
      '-g1',  # function names in a crash's stack
      '-fexceptions',
      '-frtti',
      '-fvisibility=hidden',
      '-fstack-protector-strong',
      '-Wall',
      '-Wextra',
      '-Werror',
      # Foreign headers are system headers: our warnings are for our code.
      '-isystem<!(node -p "path.resolve(require(\'node-addon-api\').include_dir)")',
      '-isystem<(node_root_dir)/include/node',
    ],
    'ldflags': ['-Wl,-z,relro,-z,now'],
  }],
}
