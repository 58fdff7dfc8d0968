using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;

namespace OrleansCache.Grains;

internal sealed partial class PushGrain(ServicesByScope services, TimeProvider time, ILogger<PushGrain> logger) : Grain, IPushGrain
{
    private const int HashLength = 32;
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(5);
    // This process's clock and the database's may differ.
    private static readonly TimeSpan ClockSlack = TimeSpan.FromMilliseconds(250);

    private readonly Guid _activation = Guid.NewGuid();
    private readonly List<byte> _arrived = [];
    private TaskCompletionSource _changed = NewSource();
    private IGrainTimer? _check;
    private DateTimeOffset _expires;
    private bool _alive;
    private bool _ended;
    // Ended for good, not lapsed: news sent before the end may arrive after it.
    private bool _over;
    private byte[]? _closure;
    // NARs that it has to upload, as far as this activation was told.
    private int _uploads;

    private int Count => _arrived.Count / HashLength;

    public Task OpenedAsync(DateTimeOffset expires)
    {
        if (_over)
            return Task.CompletedTask;
        _ended = false;
        _expires = expires;
        var left = expires + ClockSlack - time.GetUtcNow();
        left = left > ClockSlack ? left : ClockSlack;
        DelayDeactivation(left + Slice);
        // At half the time, a renewal that fails can still be tried again.
        CheckAfter(left / 2);
        return Task.CompletedTask;
    }

    public Task UploadsAsync(DateTimeOffset? expires, int nars)
    {
        _uploads += nars;
        return expires is { } until ? OpenedAsync(until) : AliveAsync();
    }

    public Task AliveAsync()
    {
        _alive = true;
        return Task.CompletedTask;
    }

    public Task ArrivedAsync(ArrivedNars nars)
    {
        _alive = true;
        _arrived.AddRange(nars.Hashes);
        Changed();
        return Task.CompletedTask;
    }

    public Task EndedAsync()
    {
        _over = true;
        End();
        return Task.CompletedTask;
    }

    public Task GoesFirstAsync(byte[] closure)
    {
        _closure = closure;
        if (_ended)
            TellClosure();
        return Task.CompletedTask;
    }

    public async Task<PushNews> NewsAsync(Guid activation, int after)
    {
        if (activation == _activation && after >= Count && !_ended)
            await _changed.Task.WaitAsync(Slice, time)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        var from = activation == _activation ? Math.Clamp(after, 0, Count) : 0;
        return new PushNews(_activation, Count, [.. _arrived.Skip(from * HashLength)], _ended,
            _uploads > 0 && Count >= _uploads);
    }

    private void CheckAfter(TimeSpan due)
    {
        _check?.Dispose();
        _check = this.RegisterGrainTimer(CheckAsync, new GrainTimerCreationOptions(due, Timeout.InfiniteTimeSpan) { KeepAlive = true });
    }

    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        if (_ended)
        {
            DeactivateOnIdle();
            return;
        }

        var left = _expires + ClockSlack - time.GetUtcNow();
        if (_alive)
        {
            _alive = false;
            var key = GrainKey.Parse(this.GetPrimaryKeyString());
            try
            {
                var renewed = await services.Of(key).Pushes.As(Caller.Server).RenewAsync(key.Cache, key.Push, cancellationToken);
                await OpenedAsync(renewed.Expires);
                return;
            }
            catch (CacheProblemException e) when (e.Kind is ProblemKind.PushEnded or ProblemKind.UnknownPush)
            {
                End();
                return;
            }
            catch (CacheProblemException e)
            {
                _alive = true;
                LogRenewFailed(e, key.ToString());
            }
        }

        if (left <= TimeSpan.Zero)
            End();
        else
            CheckAfter(left < Slice ? left : left / 2);
    }

    private void End()
    {
        _ended = true;
        Changed();
        TellClosure();
        TellUploads();
        // The followers hear of the end before a fresh activation, which knows nothing, could answer them.
        CheckAfter(Slice);
    }

    private void TellClosure()
    {
        if (_closure is not { } closure)
            return;
        _closure = null;
        var key = GrainKey.Parse(this.GetPrimaryKeyString());
        GrainFactory.GetGrain<IClosureGrain>(GrainKey.Of(key.Scope, key.Cache, closure).ToString()).EndedAsync().Ignore();
    }

    private void TellUploads()
    {
        // A fresh activation does not know whether there are any.
        var key = GrainKey.Parse(this.GetPrimaryKeyString());
        GrainFactory.GetGrain<IUploadsGrain>(GrainKey.Uploads(key.Scope, key.Cache).ToString()).EndedAsync(key.Push.Value).Ignore();
    }

    private void Changed()
    {
        var changed = _changed;
        _changed = NewSource();
        changed.SetResult();
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(LogLevel.Warning, "push {Push} could not be renewed; it is tried again")]
    private partial void LogRenewFailed(Exception e, string push);
}
