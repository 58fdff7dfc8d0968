using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Push;

/// <summary>Collects finished uploads and reports them to the server, at most once a second; a flush reports the rest at once.</summary>
/// <param name="refused">Gets each upload that the server has not accepted. An exception from it ends the report.</param>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001",
    Justification = "A semaphore whose wait handle nobody asks for holds nothing to release.")]
internal sealed class Reporter(Api api, string push, TimeProvider time, Action<RejectedUpload, CancellationToken> refused)
{
    /// <summary>A report is sent once its contents exceed this, before base64.</summary>
    private const int MaxContentBytes = 8 << 20;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _sending = new(1);
    private readonly Queue<UploadedNar> _uploads = new();
    private readonly Queue<PathListing> _listings = new();
    private readonly Queue<LogContent> _logs = new();
    private readonly Queue<RealisationContent> _realisations = new();
    private readonly List<RejectedUpload> _rejected = [];

    public int Reports { get; private set; }

    public void Add(UploadedNar upload) => Add(_uploads, upload);

    public void Add(PathListing listing) => Add(_listings, listing);

    public void Add(LogContent log) => Add(_logs, log);

    public void Add(RealisationContent realisation) => Add(_realisations, realisation);

    /// <summary>Reports once a second until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await Pause.EndsAsync(Interval, time, cancellationToken))
            await SendAsync(once: true, cancellationToken);
    }

    /// <summary>Reports all that is left; returns what the server has refused since the last call.</summary>
    public async Task<IReadOnlyList<RejectedUpload>> FlushAsync(CancellationToken cancellationToken)
    {
        await SendAsync(once: false, cancellationToken);
        lock (_lock)
        {
            RejectedUpload[] rejected = [.. _rejected];
            _rejected.Clear();
            return rejected;
        }
    }

    private void Add<T>(Queue<T> queue, T item)
    {
        lock (_lock)
            queue.Enqueue(item);
    }

    private async Task SendAsync(bool once, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            while (Take() is { } report)
            {
                var answer = await api.ReportAsync(push, report, cancellationToken);
                Reports++;
                foreach (var rejection in answer.Rejected)
                    refused(rejection, cancellationToken);
                lock (_lock)
                    _rejected.AddRange(answer.Rejected);
                if (once)
                    return;
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    private UploadReport? Take()
    {
        lock (_lock)
        {
            var bytes = 0;
            List<UploadedNar> uploads = [.. _uploads];
            _uploads.Clear();
            var listings = Some(_listings, listing => listing.Content.Length);
            var logs = Some(_logs, log => log.Content.Length);
            var realisations = Some(_realisations, realisation => realisation.Content.Length);
            return uploads.Count + listings.Count + logs.Count + realisations.Count == 0
                ? null
                : new UploadReport { Uploads = uploads, Listings = listings, Logs = logs, Realisations = realisations };

            List<T> Some<T>(Queue<T> queue, Func<T, int> size)
            {
                var taken = new List<T>();
                // The first item always fits, else it would never be sent.
                while (queue.TryPeek(out var item) && (bytes == 0 || bytes + size(item) <= MaxContentBytes))
                {
                    bytes += size(item);
                    taken.Add(queue.Dequeue());
                }

                return taken;
            }
        }
    }
}
