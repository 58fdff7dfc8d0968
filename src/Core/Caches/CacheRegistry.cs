using System.Collections.Frozen;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Caches;

/// <summary>
/// The caches that this process serves, by name, each with services of its own. It learns of new, changed and deleted ones by looking at
/// the catalog now and then, and at once when somebody names one that it does not know. Services whose settings changed are replaced: calls
/// under way end in the old ones.
/// </summary>
/// <remarks>A look is nobody's own: who waits for one may go, and it goes on.</remarks>
/// <param name="catalog">Where the caches are.</param>
/// <param name="all">Their ids, for what works over all of them.</param>
/// <param name="open">Starts the services of a cache.</param>
/// <param name="servesAll">False: the default cache alone.</param>
/// <param name="changed">Told of each cache that is served from now on, or otherwise than before.</param>
internal sealed partial class CacheRegistry(
    CacheCatalog catalog, CacheDirectory all, Func<CacheRow, CancellationToken, Task<CacheServices>> open, bool servesAll,
    Action<CacheName> changed, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan IntervalAlone = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ClosePatience = TimeSpan.FromMinutes(1);
    // A read goes on in a store whose services were replaced.
    private static readonly TimeSpan StorePatience = TimeSpan.FromMinutes(15);

    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _one = new(1);
    private readonly Lock _lock = new();
    private Task? _next; // A look that has not begun yet; under the lock, as the two that follow.
    private Task? _last; // The one that has begun last.
    private long? _looked; // When it ended, whatever came of it; null: it has not.
    private readonly List<Task> _closing = [];
    private volatile FrozenDictionary<CacheName, Entry> _entries = FrozenDictionary<CacheName, Entry>.Empty;

    /// <summary>The names of the caches that are served.</summary>
    public IReadOnlyCollection<CacheName> Names => [.. _entries.Values.Where(e => e.IsServed).Select(e => e.Row.Name)];

    public IReadOnlyList<Entry> Entries => [.. _entries.Values];

    /// <summary>The services of the default cache.</summary>
    public CacheServices Default => _entries[CacheName.Default].Services!;

    /// <summary>A cache as it was last seen; null: there is none, or it is being deleted.</summary>
    public Entry? Find(CacheName cache) => _entries.TryGetValue(cache, out var entry) && entry.IsServed ? entry : null;

    /// <summary>The same, having looked at the catalog lately where it is not known.</summary>
    public async ValueTask<Entry?> FindAsync(CacheName cache, CancellationToken cancellationToken)
    {
        if (Find(cache) is { } known)
            return known;
        if (!servesAll || cache.ToString().Length == 0)
            return null;
        await LookAsync(Soon, cancellationToken);
        return Find(cache);
    }

    /// <summary>The cache whose host this is; null: it is no cache's own.</summary>
    public CacheName? HostOf(string host)
    {
        foreach (var entry in _entries.Values)
        {
            if (entry.IsServed && entry.Row.Settings?.Hosts?.Contains(host, StringComparer.OrdinalIgnoreCase) == true)
                return entry.Row.Name;
        }

        return null;
    }

    /// <summary>The services of a cache, for one call; dispose of the answer when it has ended.</summary>
    /// <exception cref="CacheProblemException">There is no such cache, or this server cannot serve it.</exception>
    public async ValueTask<Use> UseAsync(CacheName cache, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var entry = Find(cache) ?? await FindAsync(cache, cancellationToken) ?? throw CacheDirectory.Unknown(cache);
            if (entry.Services is not { } services)
                throw NotServed(cache);
            if (services.TryEnter())
                return new Use(services);
            // It was replaced or deleted in between.
            await Task.Yield();
        }
    }

    /// <summary>
    /// Looks at the catalog, unless that was done within this time, or is just being done; if it failed then, that failure is told.
    /// </summary>
    public async Task LookAsync(TimeSpan unless, CancellationToken cancellationToken)
    {
        Task look;
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested)
                throw Stopping();
            look = unless > TimeSpan.Zero && _last is { } last && (_looked is not { } at || time.GetElapsedTime(at) < unless) ? last
                : _next ??= Task.Run(LookOnceAsync, CancellationToken.None);
        }

        await look.WaitAsync(cancellationToken);
    }

    /// <summary>Looks until the token is cancelled.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (servesAll && !stopping.IsCancellationRequested)
        {
            await Task.Delay((_entries.Count > 1 ? Interval : IntervalAlone) * (0.8 + 0.4 * Random.Shared.NextDouble()), time, stopping)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stopping.IsCancellationRequested)
                return;
            try
            {
                await LookAsync(Interval / 2, stopping);
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                LogNotLooked(e.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task looks;
        lock (_lock)
        {
            _stopping.Cancel();
            looks = Task.WhenAll(_last ?? Task.CompletedTask, _next ?? Task.CompletedTask);
        }

        await looks.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var entries = _entries;
        _entries = FrozenDictionary<CacheName, Entry>.Empty;
        await Task.WhenAll(_closing);
        await Task.WhenAll(entries.Values.Select(e => e.Services is { } services ? CloseAsync(services) : Task.CompletedTask));
        _one.Dispose();
        _stopping.Dispose();
    }

    private async Task LookOnceAsync()
    {
        var stopping = _stopping.Token;
        await _one.WaitAsync(CancellationToken.None);
        try
        {
            lock (_lock)
            {
                // Who asks from now on gets another one: this one may have read already.
                (_last, _next, _looked) = (_next, null, null);
                if (stopping.IsCancellationRequested)
                    throw Stopping();
            }

            await FollowAsync(await catalog.LoadAsync(stopping), stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            throw Stopping();
        }
        finally
        {
            lock (_lock)
                _looked = time.GetTimestamp();
            _one.Release();
        }
    }

    private async Task FollowAsync(List<CacheRow> rows, CancellationToken cancellationToken)
    {
        if (!servesAll)
            rows = rows.FindAll(r => r.Name == CacheName.Default);
        var former = _entries;
        var entries = new Dictionary<CacheName, Entry>();
        var (replaced, opened) = (new List<CacheServices>(), new List<Entry>());
        try
        {
            foreach (var row in rows)
            {
                former.TryGetValue(row.Name, out var known);
                var entry = known?.For(row, time.GetElapsedTime(known.Tried) < RetryAfter)
                    ?? await OpenAsync(row, known, cancellationToken);
                if (known?.Services is { } old && entry.Services != old)
                    replaced.Add(old);
                if (entry.Services is not null && entry.Services != known?.Services)
                    opened.Add(entry);
                entries[row.Name] = entry;
            }
        }
        catch
        {
            await Task.WhenAll(opened.Select(e => CloseAsync(e.Services!)));
            throw;
        }

        replaced.AddRange(former.Values.Where(e => !entries.ContainsKey(e.Row.Name) && e.Services is not null).Select(e => e.Services!));
        if (replaced.Count == 0 && opened.Count == 0 && former.Count == entries.Count && former.Values.All(e => entries[e.Row.Name] == e))
            return;
        all.Replace([.. entries.Values.Where(e => e.IsServed).Select(e => (e.Row.Id, e.Row.Name.ToString(), e.Row.Secret))]);
        _entries = entries.ToFrozenDictionary();
        _closing.RemoveAll(t => t.IsCompleted);
        _closing.AddRange(replaced.Select(old => Task.Run(() => RetireAsync(old), CancellationToken.None)));
        foreach (var entry in opened)
            changed(entry.Row.Name);
    }

    private async Task<Entry> OpenAsync(CacheRow row, Entry? known, CancellationToken cancellationToken)
    {
        try
        {
            return new Entry(row, await open(row, cancellationToken), null, time.GetTimestamp(), row);
        }
        catch (Exception e) when (row.Name != CacheName.Default && !cancellationToken.IsCancellationRequested)
        {
            // A store may not answer for a moment: the former services go on, but not with keys that are not to sign any more.
            var former = known is { Services: not null, Opened: { } opened } && opened.HasSameKeys(row) && opened.Deleting == row.Deleting
                ? known : null;
            if (known?.Trouble != e.Message && former is not null)
                LogServedAsBefore(row.Name, e.Message);
            else if (known?.Trouble != e.Message)
                LogNotServed(row.Name, e.Message);
            return new Entry(row, former?.Services, e.Message, time.GetTimestamp(), former?.Opened);
        }
    }

    private async Task RetireAsync(CacheServices services)
    {
        await services.CloseAsync(ClosePatience);
        await Task.Delay(StorePatience, time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        services.DisposeStore();
    }

    private static async Task CloseAsync(CacheServices services)
    {
        await services.CloseAsync(TimeSpan.Zero);
        services.DisposeStore();
    }

    private static CacheProblemException Stopping() => new(ProblemKind.Unavailable,
        "This server is stopping: send the same request again, to another one or when it has started.");

    // Why is for admins: it may name files of the server.
    private static CacheProblemException NotServed(CacheName cache) => new(ProblemKind.Unavailable,
        $"This server cannot serve cache '{cache}' now: its log, and 'caches show' to admins, say why. Then send the same request again.");

    [LoggerMessage(LogLevel.Error, "cache {Cache} is not served: {Why}")]
    private partial void LogNotServed(CacheName cache, string why);

    [LoggerMessage(LogLevel.Error, "cache {Cache} is served with its former settings, and its new ones are tried again: {Why}")]
    private partial void LogServedAsBefore(CacheName cache, string why);

    [LoggerMessage(LogLevel.Warning, "the list of caches could not be read, and is read again: {Why}")]
    private partial void LogNotLooked(string why);

    /// <param name="Row">As it was last seen.</param>
    /// <param name="Services">Null: this process cannot serve it, for the reason in <paramref name="Trouble"/>.</param>
    /// <param name="Trouble">Why services for this row could not be started.</param>
    /// <param name="Tried">When the services were started, or could not be.</param>
    /// <param name="Opened">The row that the services were started for; null: there are none.</param>
    internal sealed record Entry(CacheRow Row, CacheServices? Services, string? Trouble, long Tried, CacheRow? Opened)
    {
        public bool IsServed => Row.Deleting is null;

        /// <summary>The same for another row; null: it needs services of its own.</summary>
        /// <param name="row">The row.</param>
        /// <param name="wasTriedLately">What could not be started is not tried yet.</param>
        public Entry? For(CacheRow row, bool wasTriedLately) =>
            Opened?.NeedsSameServices(row) == true ? this with { Row = row, Trouble = null }
                : Trouble is not null && wasTriedLately && Row.NeedsSameServices(row) && Row.Deleting == row.Deleting
                    ? this with { Row = row } : null;

        public ServedCache ToServed() => Services is { } services
            ? new ServedCache(Row.Name, Row.Settings, services.Options.Store, services.PublicKeys, services.VerifyPolicy)
            : throw NotServed(Row.Name);
    }

    /// <summary>A call of a cache's services.</summary>
    internal readonly struct Use(CacheServices services) : IDisposable
    {
        public CacheServices Services => services;

        public void Dispose() => services.Leave();
    }
}
