using System.Collections.Concurrent;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Push;

/// <summary>
/// Reads, hashes, compresses and uploads NARs, the largest first. A few threads read and compress, one NAR at a time each; up to
/// <see cref="PushOptions.Uploads"/> requests send what they fill. Nothing is written to disk, and <see cref="PushOptions.Memory"/> bounds
/// the memory for any number and size of NARs.
/// </summary>
internal sealed partial class NarPipeline : IDisposable
{
    /// <summary>From this size on, several threads may compress a NAR.</summary>
    private const long ParallelFrom = 24 << 20;

    private readonly PushOptions _options;
    private readonly INarContents _contents;
    private readonly Api _api;
    private readonly UploadClient _uploads;
    private readonly Reporter _reporter;
    private readonly PushProgress _progress;
    private readonly string _push;
    private readonly TimeProvider _time;
    private readonly SegmentPool _pool = new();
    private readonly MemoryBudget _memory;
    private readonly SemaphoreSlim _slots;
    private readonly ConcurrentQueue<UnusableNarException> _unusable = [];
    private volatile bool _batches;

    /// <param name="batches">The server takes many small NARs in one request.</param>
    public NarPipeline(PushOptions options, INarContents contents, Api api, UploadClient uploads, Reporter reporter,
        PushProgress progress, string push, bool batches, TimeProvider time)
    {
        (_options, _contents, _api, _uploads, _reporter, _progress, _push, _batches, _time) = (options, contents, api, uploads, reporter,
            progress, push, batches, time);
        _memory = new MemoryBudget(options.Memory);
        _slots = new SemaphoreSlim(options.Uploads);
    }

    /// <summary>The paths that could not be sent, while the others were.</summary>
    public IReadOnlyCollection<UnusableNarException> Unusable => _unusable;

    /// <summary>Does all jobs. Returns those whose grants ended before their NARs arrived.</summary>
    /// <exception cref="CliException">A NAR cannot be read, is not what Nix recorded, or is refused by the store.</exception>
    public async Task<IReadOnlyCollection<UploadJob>> RunAsync(IEnumerable<UploadJob> jobs, CancellationToken cancellationToken)
    {
        using var run = new Run(this, jobs, cancellationToken);
        return await run.DoAsync();
    }

    public void Dispose() => _slots.Dispose();

    /// <summary>The most bytes that are reserved for the file of a NAR of this size.</summary>
    public static long CompressBound(long size) => size + (size >> 8) + 512;

    /// <summary>One call of <see cref="RunAsync"/>. The first error stops all of its threads.</summary>
    private sealed partial class Run : IDisposable
    {
        private readonly NarPipeline _pipeline;
        private readonly CancellationToken _caller;
        private readonly CancellationTokenSource _stop;
        private readonly Lock _lock = new();
        private readonly Queue<UploadJob> _queue; // under _lock
        private readonly List<Task> _underWay = []; // under _lock
        private readonly List<UploadJob> _ended = []; // under _lock
        private Exception? _failure;
        private long _queuedBytes; // under _lock

        public Run(NarPipeline pipeline, IEnumerable<UploadJob> jobs, CancellationToken cancellationToken)
        {
            (_pipeline, _caller) = (pipeline, cancellationToken);
            _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            _queue = new Queue<UploadJob>(jobs.OrderByDescending(job => job.Bytes));
            _queuedBytes = _queue.Sum(job => job.Bytes);
        }

        public async Task<IReadOnlyCollection<UploadJob>> DoAsync()
        {
            var threads = Math.Min(_pipeline._options.Jobs, _queue.Count);
            await Task.WhenAll(Enumerable.Range(0, threads).Select(i => OnThread($"nar {i}")));
            // The threads have ended, so nothing adds to the list any more.
            await Task.WhenAll(_underWay);
            _caller.ThrowIfCancellationRequested();
            if (_failure is { } failure)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            return _ended;
        }

        public void Dispose() => _stop.Dispose();

        /// <summary>The work from the file to the buffer is synchronous and long, so it is not for the thread pool, which sends.</summary>
        private Task OnThread(string name)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            new Thread(() =>
            {
                try
                {
                    Work();
                }
                catch (Exception e)
                {
                    Fail(e);
                }

                done.SetResult();
            })
            { Name = name, IsBackground = true }.Start();
            return done.Task;
        }

        private void Work()
        {
            using var hashers = new Hashers();
            using var encoder = new NarEncoder(hashers, _pipeline._progress, _pipeline._options.Jobs,
                _pipeline._options.CaseHack, _stop.Token);
            using var small = new SmallNars(this, hashers, encoder);
            while (Next(out var job, out var workers))
            {
                try
                {
                    Do(job, workers, small, hashers, encoder);
                }
                catch (UnusableNarException e)
                {
                    _pipeline._unusable.Enqueue(e);
                }
            }

            small.Send();
        }

        private void Do(UploadJob job, int workers, SmallNars small, Hashers hashers, NarEncoder encoder)
        {
            if (small.Take(job))
                return;
            if (job.Grant is { PartSize: { } partSize } multipart)
                Multipart(job, multipart, partSize, workers, hashers, encoder);
            else if (job.Grant is { } single)
                Single(job, single, hashers, encoder);
            else
                Listings.Report(job, _pipeline._contents.List(job, _stop.Token), _pipeline._reporter);
        }

        private bool Next(out UploadJob job, out int workers)
        {
            lock (_lock)
            {
                workers = 0;
                if (_stop.IsCancellationRequested || !_queue.TryDequeue(out job!))
                {
                    job = null!;
                    return false;
                }

                _queuedBytes -= job.Bytes;
                // When the remaining NARs cannot keep the other processors busy meanwhile, this NAR gets them.
                if (job.Bytes >= ParallelFrom && _queuedBytes < job.Bytes * (Environment.ProcessorCount - 1) / 2)
                    workers = Environment.ProcessorCount;
                return true;
            }
        }

        private void Single(UploadJob job, UploadGrant grant, Hashers hashers, NarEncoder encoder)
        {
            var reserved = _pipeline._memory.Reserve(SegmentBytes(CompressBound(job.Info.NarSize)), _stop.Token);
            var body = new SegmentedBuffer(_pipeline._pool);
            var handedOver = false;
            try
            {
                var file = Encode(job, encoder, new SingleOutput(hashers, body, grant), workers: 0);
                reserved = Shrink(reserved, body);
                _pipeline._slots.Wait(_stop.Token);
                var urls = new UploadUrls(_pipeline._api, _pipeline._push, grant, _pipeline._time);
                handedOver = true;
                UnderWay(SendAsync(job, grant, body, reserved, urls.SingleAsync, () => Arrived(grant, file)));
            }
            finally
            {
                if (!handedOver)
                {
                    body.Dispose();
                    _pipeline._memory.Release(reserved);
                }
            }
        }

        /// <summary>Releases what was reserved beyond the body's real size; returns what stays reserved.</summary>
        private long Shrink(long reserved, SegmentedBuffer body)
        {
            var used = Math.Min(reserved, SegmentBytes(body.Length));
            _pipeline._memory.Release(reserved - used);
            return used;
        }

        private void Multipart(UploadJob job, UploadGrant grant, long partSize, int workers, Hashers hashers, NarEncoder encoder)
        {
            var urls = new UploadUrls(_pipeline._api, _pipeline._push, grant, _pipeline._time);
            var parts = new List<Task>();
            var reserved = 0L;
            using var output = new PartsOutput(hashers, _pipeline._pool, grant, partSize, () =>
                reserved = _pipeline._memory.Reserve(SegmentBytes(partSize), _stop.Token), (number, part) =>
            {
                var bytes = reserved;
                reserved = 0;
                try
                {
                    _pipeline._slots.Wait(_stop.Token);
                }
                catch
                {
                    part.Dispose();
                    _pipeline._memory.Release(bytes);
                    throw;
                }

                parts.Add(SendAsync(job, grant, part, bytes, (fresh, c) => urls.PartAsync(number, fresh, c), () => { }));
            });
            try
            {
                var file = Encode(job, encoder, output, workers);
                UnderWay(AllPartsAsync(grant, parts, file));
            }
            finally
            {
                _pipeline._memory.Release(reserved);
                foreach (var part in parts)
                    UnderWay(part);
            }
        }

        /// <summary>Reads the NAR into the output, and reports its listing.</summary>
        private UploadedFile Encode(UploadJob job, NarEncoder encoder, NarOutput output, int workers)
        {
            var (file, listing) = _pipeline._contents.Encode(job, encoder, output, workers, _stop.Token);
            Listings.Report(job, listing, _pipeline._reporter);
            return file;
        }

        /// <summary>Sends one body. It always gives back the body's slot, memory and buffer.</summary>
        private async Task<bool> SendAsync(UploadJob job, UploadGrant grant, SegmentedBuffer body, long reserved,
            Func<bool, CancellationToken, ValueTask<Uri>> url, Action arrived)
        {
            try
            {
                await _pipeline._uploads.PutAsync(job.Info.Path.Name, url, grant.Headers, body, _stop.Token);
                _pipeline._progress.Arrived(body.Length);
                arrived();
                return true;
            }
            catch (GrantEndedException)
            {
                Ended(job);
                return false;
            }
            catch (Exception e)
            {
                Fail(e);
                return false;
            }
            finally
            {
                body.Dispose();
                _pipeline._memory.Release(reserved);
                _pipeline._slots.Release();
            }
        }

        private async Task AllPartsAsync(UploadGrant grant, List<Task> parts, UploadedFile file)
        {
            var arrived = true;
            foreach (var part in parts)
                arrived &= await (Task<bool>)part;
            if (arrived)
                Arrived(grant, file);
        }

        private void Arrived(UploadGrant grant, UploadedFile file)
        {
            _pipeline._reporter.Add(new UploadedNar { Upload = grant.Id, FileHash = file.Hash, FileSize = file.Size, Md5 = file.Md5 });
            _pipeline._progress.Finished();
        }

        private void Ended(UploadJob job)
        {
            lock (_lock)
            {
                if (!_ended.Contains(job))
                    _ended.Add(job);
            }
        }

        private void UnderWay(Task task)
        {
            lock (_lock)
                _underWay.Add(task);
        }

        private void Fail(Exception e)
        {
            // A cancellation after the stop is not the reason of the stop.
            if (_stop.IsCancellationRequested && e is OperationCanceledException)
                return;
            Interlocked.CompareExchange(ref _failure, e, null);
            _stop.Cancel();
        }

        private static long SegmentBytes(long bytes) =>
            (bytes + SegmentPool.SegmentSize - 1) / SegmentPool.SegmentSize * SegmentPool.SegmentSize;
    }
}
