//! least_squares - the losses of LSGAN (Mao et al. 2017, arXiv:1611.04076) in Rust without its standard library. A panic would be an endless loop here: nothing in this
//! file can panic, since it neither indexes nor divides.
#![no_std]
mod boundary;
use boundary::*;
use core::ffi::c_char;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

const G_TARGET: u32 = 0;

unsafe fn op(cx: *mut Ctx, code: u32, inputs: &[Tensor], attrs: &[Attr]) -> Tensor {
    let graph = (*(*cx).host).graph;
    ((*graph).op)(cx, code, inputs.as_ptr(), inputs.len() as u32, attrs.as_ptr(), attrs.len() as u32)
}

unsafe fn constant(cx: *mut Ctx, v: f64) -> Tensor {
    let no_dims: [i64; 0] = [];
    op(cx, OP_CONST, &[], &[
        Attr { key: A_VALUE, n: 1, v: AttrValue { f: v } },
        Attr { key: A_DIMS, n: 0, v: AttrValue { iv: no_dims.as_ptr() } },
        Attr { key: A_DTYPE, n: 1, v: AttrValue { i: F32 } },
    ])
}

/// factor * sum (x - target)^2 of x [n]
unsafe fn squares(cx: *mut Ctx, x: Tensor, target: Tensor, factor: f64) -> Tensor {
    let axis: [i64; 1] = [0];
    let gap = op(cx, OP_SUB, &[x, target], &[]);
    let sum = op(cx, OP_SUM, &[op(cx, OP_MUL, &[gap, gap], &[])], &[Attr { key: A_AXES, n: 1, v: AttrValue { iv: axis.as_ptr() } }]);
    op(cx, OP_MUL, &[sum, constant(cx, factor)], &[])
}

unsafe extern "C" fn d(cx: *mut Ctx, input: *const LossIn, loss: *mut Tensor) -> i32 {
    let i = &*input;
    let half = 0.5 / i.batch as f64;
    *loss = op(cx, OP_ADD, &[squares(cx, i.logit_real, i.target_real, half), squares(cx, i.logit_fake, i.target_fake, half)], &[]);
    0
}

unsafe extern "C" fn g(cx: *mut Ctx, input: *const LossIn, loss: *mut Tensor) -> i32 {
    let i = &*input;
    let target = ((*(*(*cx).host).param).scalar)(cx, G_TARGET);
    *loss = squares(cx, i.logit_fake, target, 0.5 / i.batch as f64);
    0
}

const fn text(s: &'static [u8]) -> *const c_char {
    s.as_ptr() as *const c_char
}

static PARAMS: Constant<[Param; 1]> = Constant([Param {
    key: text(b"g_target\0"),
    doc: text(b"value that G wants D to give its images\0"),
    unit: core::ptr::null(),
    kind: P_FLOAT,
    flags: 0,
    def: 1.0,
    lo: -10.0,
    hi: 10.0,
    def_str: core::ptr::null(),
    choices: core::ptr::null(),
}]);
static PROVIDES: Constant<[*const c_char; 2]> = Constant([text(b"loss.targets\0"), core::ptr::null()]);
static LOSS: Constant<Loss> = Constant(Loss {
    struct_size: core::mem::size_of::<Loss>() as u32,
    flags: LOSS_TARGETS | LOSS_THRESHOLD,
    threshold: 0.5,
    target_real: 1.0,
    target_fake: 0.0,
    chance_d: 0.25,
    chance_g: 0.125,
    d,
    g,
    constants: None,
});

#[no_mangle]
pub static gantry_plugin_v0: Constant<Plugin> = Constant(Plugin {
    struct_size: core::mem::size_of::<Plugin>() as u32,
    magic: MAGIC,
    abi_major: 0,
    abi_minor: 1,
    kind: KIND_LOSS,
    name: text(b"rust_least_squares\0"),
    version: text(b"1.0.0\0"),
    summary: text(b"least squares, in Rust\0"),
    paper: text(b"Mao et al. 2017, arXiv:1611.04076\0"),
    license: text(b"MIT\0"),
    needs: core::ptr::null(),
    provides: &PROVIDES as *const _ as *const *const c_char,
    params: &PARAMS as *const _ as *const Param,
    param_count: 1,
    param_stride: core::mem::size_of::<Param>() as u32,
    iface: &LOSS as *const _ as *const core::ffi::c_void,
});
