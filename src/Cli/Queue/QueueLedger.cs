using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// What the daemon of a queue knows of each path: what waits, what is held and until when, what became of the rest. It is saved after each
/// batch.
/// </summary>
internal sealed class QueueLedger(QueueFolder folder, QueueTimes times, TimeProvider time, Action<string> log)
{
    private readonly HashSet<StorePath> _flushing = [];
    private byte[]? _saved;
    private string? _flush, _diskTrouble;

    public QueueState State { get; private set; } = new();

    public PendingPaths Pending { get; } = new();

    /// <summary>Some of what is to be tried at once has not been.</summary>
    public bool IsFlushing => _flushing.Count > 0;

    private DateTimeOffset Now => time.GetUtcNow();

    /// <exception cref="CliException">The state cannot be read.</exception>
    public void Load()
    {
        State = QueueState.Load(folder.State);
        foreach (var (path, held) in State.Held)
            Pending.AddHeld(StorePath.Parse(path), held.Since);
    }

    /// <summary>Everything is due at once.</summary>
    /// <param name="word">Told when all of it has been tried.</param>
    public void Flush(string word)
    {
        _flush = word;
        _flushing.UnionWith(Pending.All);
        if (State.Trouble is { } trouble)
            State.Trouble = trouble with { Next = Now };
        foreach (var (path, held) in State.Held.ToList())
            State.Held[path] = held with { Next = Now };
    }

    /// <summary>One path that could not be pushed and is due again.</summary>
    public StorePath? DueHeld()
    {
        foreach (var (path, held) in State.Held)
        {
            if (held.Next <= Now)
                return StorePath.Parse(path);
        }

        return null;
    }

    /// <summary>Takes what became of a batch.</summary>
    public void Remember(IReadOnlyList<RootAnswer> answers)
    {
        if (answers.FirstOrDefault(answer => answer.Outcome == RootOutcome.Unreached) is { } unreached)
            Suffer(unreached.Why!);
        else if (State.Trouble is not null)
            Recover();
        foreach (var answer in answers)
        {
            _flushing.Remove(answer.Root);
            if (answer.Outcome == RootOutcome.Unreached || (answer.Outcome == RootOutcome.Failed && Hold(answer)))
                continue;
            Count(answer);
            State.Held.Remove(answer.Root.ToString());
            foreach (var file in Pending.Finish(answer.Root, Now))
                Try(() => Spool.Remove(folder, file));
        }

        // While nothing can be pushed, the rest has been tried as well as it can be.
        if (State.Trouble is not null)
            _flushing.Clear();
    }

    /// <summary>Writes what has changed.</summary>
    /// <param name="scanned">The id up to which Nix's database was read.</param>
    public void Save(long? scanned)
    {
        if (_flush is not null && !IsFlushing)
            (State.Flushed, _flush) = (_flush, null);
        State.Found = Pending.Found;
        if (scanned is { } position)
            State.Watermark = Pending.WatermarkBelow(position);
        var bytes = State.ToBytes();
        if (_saved is not null && bytes.AsSpan().SequenceEqual(_saved))
            return;
        if (Try(() => PrivateFile.Write(folder.State, bytes)))
            _saved = bytes;
    }

    /// <summary>Changes files. A full disk must not end the daemon: its pushes are what makes the queue shorter.</summary>
    public bool Try(Action change)
    {
        try
        {
            change();
            _diskTrouble = null;
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (e.Message != _diskTrouble)
                log($"{folder.Path} cannot be written: {e.Message}");
            _diskTrouble = e.Message;
            return false;
        }
    }

    private void Suffer(string why)
    {
        var former = State.Trouble;
        if (former?.Why != why)
            log($"nothing can be pushed now: {why}");
        var tries = former?.Tries ?? 0;
        State.Trouble = new Trouble(former?.Since ?? Now, tries + 1, Now + QueueTimes.Delay(times.FirstDelay, times.MaxDelay, tries), why);
    }

    private void Recover()
    {
        State.Trouble = null;
        log("the server takes pushes again");
    }

    /// <returns>False: it was tried for long enough.</returns>
    private bool Hold(RootAnswer answer)
    {
        var path = answer.Root.ToString();
        var former = State.Held.GetValueOrDefault(path);
        var since = former?.Since ?? Now;
        if (Now - since >= times.KeepTrying)
            return false;
        if (former is null)
            log($"{path} cannot be pushed, and is tried again: {answer.Why}");
        var tries = former?.Tries ?? 0;
        State.Held[path] = new HeldPath(since, tries + 1, Now + QueueTimes.Delay(times.FirstHold, times.MaxHold, tries), answer.Why!);
        Pending.Hold(answer.Root);
        return true;
    }

    private void Count(RootAnswer answer)
    {
        switch (answer.Outcome)
        {
            case RootOutcome.Published:
                State.Published++;
                break;
            case RootOutcome.Present:
                State.Present++;
                break;
            case RootOutcome.LeftOut:
                State.LeftOut++;
                Name(answer, "left-out");
                break;
            case RootOutcome.Lost:
                State.Lost++;
                Name(answer, "lost");
                break;
            default:
                State.GivenUp++;
                Name(answer, "given-up");
                break;
        }
    }

    private void Name(RootAnswer answer, string what)
    {
        State.Name(new NamedPath(answer.Root.ToString(), what, answer.Why!, Now));
        log($"{answer.Root} is not pushed ({what}): {answer.Why}");
    }
}
