using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Push;

/// <summary>Sends many small NARs in one request where the server takes that.</summary>
internal sealed partial class NarPipeline
{
    private sealed partial class Run
    {
        /// <summary>The batch that one thread is filling.</summary>
        private sealed class SmallNars(Run run, Hashers hashers, NarEncoder encoder) : IDisposable
        {
            private readonly NarPipeline _pipeline = run._pipeline;
            private NarBatch? _batch;
            private long _reserved;

            /// <summary>
            /// Encodes a NAR that is small enough; else false. Then nothing is reserved here any more, as a thread that waits for memory
            /// must hold none.
            /// </summary>
            public bool Take(UploadJob job)
            {
                var takes = _pipeline._batches && NarBatch.Takes(job);
                if (!takes || _batch?.HasSpace(CompressBound(job.Info.NarSize)) == false)
                    Send();
                if (!takes)
                    return false;
                if (_batch is null)
                {
                    _reserved = _pipeline._memory.Reserve(SegmentBytes(NarBatch.MaxBytes), run._stop.Token);
                    _batch = new NarBatch(_pipeline._pool);
                }

                var before = _batch.Body.Length;
                try
                {
                    _batch.Add(job, run.Encode(job, encoder, new SingleOutput(hashers, _batch.Body, job.Grant!), workers: 0));
                }
                catch (UnusableNarException)
                {
                    _batch.Body.Truncate(before);
                    throw;
                }

                return true;
            }

            /// <summary>Sends the batch.</summary>
            public void Send()
            {
                if (_batch is null)
                    return;
                if (_batch.Nars.Count == 0)
                {
                    Dispose();
                    (_batch, _reserved) = (null, 0);
                    return;
                }

                _reserved = run.Shrink(_reserved, _batch.Body);
                _pipeline._slots.Wait(run._stop.Token);
                var (batch, reserved) = (_batch, _reserved);
                (_batch, _reserved) = (null, 0);
                run.UnderWay(run.SendAsync(batch, reserved));
            }

            /// <summary>Drops what was not sent.</summary>
            public void Dispose()
            {
                _batch?.Dispose();
                _pipeline._memory.Release(_reserved);
            }
        }

        /// <summary>
        /// Sends a batch, and then, one by one, the NARs that did not arrive with it. It always gives back the batch's slot, memory and
        /// buffer.
        /// </summary>
        private async Task SendAsync(NarBatch batch, long reserved)
        {
            try
            {
                var statuses = await SendTogetherAsync(batch);
                foreach (var (i, nar) in batch.Nars.Index())
                {
                    // 412: an earlier attempt, whose answer was lost, has arrived. The server checks the object.
                    if (i >= statuses.Count || statuses[i] is not (200 or 412))
                        await SendAloneAsync(batch, nar);
                    else
                        Arrived(nar);
                }
            }
            catch (Exception e)
            {
                Fail(e);
            }
            finally
            {
                batch.Dispose();
                _pipeline._memory.Release(reserved);
                _pipeline._slots.Release();
            }
        }

        /// <summary>The status of each NAR; none when the server takes no batches after all.</summary>
        private async Task<IReadOnlyList<int>> SendTogetherAsync(NarBatch batch)
        {
            if (!_pipeline._batches)
                return [];
            try
            {
                return (await _pipeline._api.UploadAsync(batch.Lines(), batch.Body, _stop.Token)).Statuses;
            }
            catch (CacheException)
            {
                // A proxy may refuse bodies of this size, and takes small ones.
                _pipeline._batches = false;
                return [];
            }
        }

        private async Task SendAloneAsync(NarBatch batch, BatchedNar nar)
        {
            var urls = new UploadUrls(_pipeline._api, _pipeline._push, nar.Grant, _pipeline._time);
            using var body = batch.Body.Copy(nar.Offset, nar.File.Size);
            try
            {
                await _pipeline._uploads.PutAsync(nar.Job.Info.Path.Name, urls.SingleAsync, nar.Grant.Headers, body, _stop.Token);
                Arrived(nar);
            }
            catch (GrantEndedException)
            {
                Ended(nar.Job);
            }
        }

        private void Arrived(BatchedNar nar)
        {
            _pipeline._progress.Arrived(nar.File.Size);
            Arrived(nar.Grant, nar.File);
        }
    }
}
