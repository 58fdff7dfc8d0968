namespace OrleansCache.Silo;

/// <summary>
/// What Orleans calls when a silo must not go on. One that was a member has been declared dead: its grains live elsewhere by now, so the
/// process ends at once; the supervisor starts it anew, and it joins
/// as a new silo. One that never was is tried again.
/// </summary>
/// <param name="hasJoined">It was a member.</param>
/// <param name="fail">Takes why it did not become one.</param>
internal sealed class EndOfSilo(Func<bool> hasJoined, Action<string> fail) : IFatalErrorHandler
{
    private const int MaxReason = 160;

    public bool IsUnexpected(Exception exception) => exception is not ThreadAbortException;

    public void OnFatalException(object? sender, string? context, Exception? exception)
    {
        // The log has all of it, with the table of the members.
        var reason = (context ?? exception?.Message ?? "no reason given").ReplaceLineEndings(" ");
        reason = reason.Length > MaxReason ? reason[..MaxReason] + "…" : reason;
        if (!hasJoined())
        {
            fail(reason);
            return;
        }

        Console.Error.WriteLine(
            $"orleans-cache-server: This silo cannot be a member of its cluster any more and ends; start it again. ({reason})");
        Environment.Exit(1);
    }
}
