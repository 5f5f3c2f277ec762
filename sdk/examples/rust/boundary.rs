//! The part of Gantry's boundary that a loss needs, declared by hand after <gantry/abi.h> and <gantry/loss.h>. `offsets.rs` prints where the compiler puts
//! each field; a test compares that with the C headers.
#![allow(dead_code)]
use core::ffi::{c_char, c_void};

pub const MAGIC: u32 = 0x5954_4e47;
pub const KIND_LOSS: u32 = 1;
pub const LOSS_TARGETS: u32 = 1;
pub const LOSS_THRESHOLD: u32 = 2;
pub const P_FLOAT: u32 = 3;
pub const OP_MUL: u32 = 42;
pub const OP_SUB: u32 = 41;
pub const OP_ADD: u32 = 40;
pub const OP_SUM: u32 = 90;
pub const OP_CONST: u32 = 1;
pub const A_VALUE: u32 = 1;
pub const A_DIMS: u32 = 2;
pub const A_DTYPE: u32 = 3;
pub const A_AXES: u32 = 5;
pub const F32: i64 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Tensor {
    pub id: u32,
}

#[repr(C)]
pub union AttrValue {
    pub i: i64,
    pub f: f64,
    pub iv: *const i64,
    pub fv: *const f64,
}
#[repr(C)]
pub struct Attr {
    pub key: u32,
    pub n: u32,
    pub v: AttrValue,
}

/// What callbacks get. The host has private fields behind `host`.
#[repr(C)]
pub struct Ctx {
    pub host: *const Host,
}

#[repr(C)]
pub struct Graph {
    pub struct_size: u32,
    pub reserved0: u32,
    pub op: unsafe extern "C" fn(*mut Ctx, u32, *const Tensor, u32, *const Attr, u32) -> Tensor,
    // further slots follow; they are not used here, and a table may be longer than the one declared
}

#[repr(C)]
pub struct Params {
    pub struct_size: u32,
    pub reserved0: u32,
    pub f64: unsafe extern "C" fn(*mut Ctx, u32) -> f64,
    pub i64: unsafe extern "C" fn(*mut Ctx, u32) -> i64,
    pub str: unsafe extern "C" fn(*mut Ctx, u32) -> *const c_char,
    pub list: unsafe extern "C" fn(*mut Ctx, u32, *mut f64, u32) -> u32,
    pub scalar: unsafe extern "C" fn(*mut Ctx, u32) -> Tensor,
}

#[repr(C)]
pub struct Host {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub graph: *const Graph,
    pub net: *const c_void,
    pub metric: *const c_void,
    pub param: *const Params,
    pub fail: unsafe extern "C" fn(*mut Ctx, i32, *const c_char) -> i32,
}

#[repr(C)]
pub struct Param {
    pub key: *const c_char,
    pub doc: *const c_char,
    pub unit: *const c_char,
    pub kind: u32,
    pub flags: u32,
    pub def: f64,
    pub lo: f64,
    pub hi: f64,
    pub def_str: *const c_char,
    pub choices: *const *const c_char,
}

#[repr(C)]
pub struct LossIn {
    pub struct_size: u32,
    pub net: u32,
    pub batch: i64,
    pub logit_real: Tensor,
    pub logit_fake: Tensor,
    pub target_real: Tensor,
    pub target_fake: Tensor,
}

pub type LossFn = unsafe extern "C" fn(*mut Ctx, *const LossIn, *mut Tensor) -> i32;
#[repr(C)]
pub struct LossConstants {
    pub struct_size: u32,
    pub reserved0: u32,
    pub threshold: f64,
    pub chance_d: f64,
    pub chance_g: f64,
}
pub type ConstantsFn = unsafe extern "C" fn(*mut Ctx, *mut LossConstants) -> i32;
#[repr(C)]
pub struct Loss {
    pub struct_size: u32,
    pub flags: u32,
    pub threshold: f64,
    pub target_real: f64,
    pub target_fake: f64,
    pub chance_d: f64,
    pub chance_g: f64,
    pub d: LossFn,
    pub g: LossFn,
    pub constants: Option<ConstantsFn>, // since 0.3
}

#[repr(C)]
pub struct Plugin {
    pub struct_size: u32,
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub kind: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub summary: *const c_char,
    pub paper: *const c_char,
    pub license: *const c_char,
    pub needs: *const *const c_char,
    pub provides: *const *const c_char,
    pub params: *const Param,
    pub param_count: u32,
    pub param_stride: u32,
    pub iface: *const c_void,
}

/// Constant tables hold pointers to constant data only.
#[repr(transparent)]
pub struct Constant<T>(pub T);
unsafe impl<T> Sync for Constant<T> {}
