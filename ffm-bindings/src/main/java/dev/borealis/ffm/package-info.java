/**
 * CUDA driver and cuBLAS: native libraries, checked calls, and handles that release what they hold.
 *
 * <p>Begin with {@link dev.borealis.ffm.Cuda#unavailable()}, which says in one line why CUDA can't
 * be used here, or nothing if it can; then {@link dev.borealis.ffm.Device} and {@link
 * dev.borealis.ffm.Context}.
 *
 * <p><b>Errors.</b> Every call's result is checked. A failure is a {@link
 * dev.borealis.ffm.CudaException} with the code, its symbolic name and the call. CUDA reports
 * errors of asynchronous work late: the exception may come from a later call than the one at fault.
 * Arguments that could reach beyond a buffer are refused before any native call.
 *
 * <p><b>Threads.</b> CUDA keeps a current context for each thread. Every method here that needs one
 * makes its own context current on the calling thread first, and leaves it so, as the CUDA runtime
 * does. So handles can be used from any thread; a thread that also works with other contexts of its
 * own sets those again afterwards. Handles are safe to share between threads, except {@link
 * dev.borealis.ffm.Launch} and {@link dev.borealis.ffm.Cublas}, which serve one thread at a time.
 * No handle may be closed while another thread is using it.
 *
 * <p><b>Ownership.</b> Who creates a handle closes it. Closing twice does nothing. Closing a {@link
 * dev.borealis.ffm.Context} closes what is still open in it, newest first. A method on a closed
 * handle throws {@link IllegalStateException}. If the driver reports an error while something is
 * released, that is thrown, and the release isn't tried again: the error may stem from earlier
 * work, and a second release could hit what another owner got in the meantime.
 */
@NullMarked
package dev.borealis.ffm;

import org.jspecify.annotations.NullMarked;
