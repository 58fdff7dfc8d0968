using System.Threading.Channels;
using OrleansCache.Cli.Store;

namespace OrleansCache.Cli.Push;

/// <summary>Feeds batches with what Nix's database tells was built, as it comes.</summary>
/// <param name="from">The newest id that is not meant.</param>
internal sealed class BuiltFeed(BuiltPaths built, bool all, long from)
{
    private readonly Channel<bool> _wake =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _position = from;

    public RootBatches Batches { get; } = new(TimeProvider.System);

    /// <summary>Why the database could not be read to the end.</summary>
    public string? Failure { get; private set; }

    /// <summary>The database may have changed. Any thread may call it.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>Nothing more is built: the rest is read, and then the batches end.</summary>
    public void End() => _wake.Writer.TryComplete();

    public async Task RunAsync()
    {
        try
        {
            while (await _wake.Reader.WaitToReadAsync(CancellationToken.None))
            {
                while (_wake.Reader.TryRead(out _))
                {
                }

                await ReadAsync();
            }

            await ReadAsync();
        }
        finally
        {
            Batches.Complete();
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            for (long? more = _position; more is not null;)
            {
                (var rows, more) = built.After(_position, all);
                foreach (var (id, path) in rows)
                {
                    await Batches.AddAsync(path, CancellationToken.None);
                    _position = id;
                }

                _position = more ?? _position;
            }

            Failure = null;
        }
        catch (SqliteException e)
        {
            // The next look finds what this one has not.
            Failure = e.Message;
        }
    }
}
