//! offsets - prints "gantry_struct.field offset" for every field of boundary.rs, and "gantry_struct size" for those that are declared whole.
mod boundary;
use boundary::*;
use std::mem::{offset_of, size_of};

macro_rules! fields {
    ($c:literal, $t:ty: $($f:ident = $name:literal),*) => { $(println!("{}.{} {}", $c, $name, offset_of!($t, $f));)* };
}

fn main() {
    fields!("gantry_t", Tensor: id = "id");
    fields!("gantry_attr", Attr: key = "key", n = "n", v = "v");
    fields!("gantry_ctx", Ctx: host = "host");
    fields!("gantry_graph_api", Graph: struct_size = "struct_size", reserved0 = "reserved0", op = "op");
    fields!("gantry_param_api", Params: struct_size = "struct_size", f64 = "f64", i64 = "i64", str = "str", list = "list", scalar = "scalar");
    fields!("gantry_host", Host: struct_size = "struct_size", abi_major = "abi_major", abi_minor = "abi_minor", graph = "graph", net = "net", metric = "metric", param = "param", fail = "fail");
    fields!("gantry_param", Param: key = "key", doc = "doc", unit = "unit", kind = "type", flags = "flags", def = "def", lo = "lo", hi = "hi", def_str = "def_str", choices = "choices");
    fields!("gantry_loss_in", LossIn: struct_size = "struct_size", net = "net", batch = "batch", logit_real = "logit_real", logit_fake = "logit_fake", target_real = "target_real", target_fake = "target_fake");
    fields!("gantry_loss", Loss: struct_size = "struct_size", flags = "flags", threshold = "threshold", target_real = "target_real", target_fake = "target_fake", chance_d = "chance_d", chance_g = "chance_g", d = "d", g = "g", constants = "constants");
    fields!("gantry_plugin", Plugin: struct_size = "struct_size", magic = "magic", abi_major = "abi_major", abi_minor = "abi_minor", kind = "kind", name = "name", version = "version", summary = "summary",
        paper = "paper", license = "license", needs = "needs", provides = "provides", params = "params", param_count = "param_count", param_stride = "param_stride", iface = "iface");
    println!("gantry_attr {}\ngantry_param {}\ngantry_loss_in {}\ngantry_loss {}\ngantry_plugin {}", size_of::<Attr>(), size_of::<Param>(), size_of::<LossIn>(), size_of::<Loss>(), size_of::<Plugin>());
}
