namespace OrleansCache.Silo;

/// <summary>
/// Handles Orleans' order that a silo must not go on. A former member has been declared dead, and its grains live elsewhere by now: the
/// process ends at once, its supervisor starts it anew, and it joins as a new silo. A silo that never joined is tried again.
/// </summary>
/// <param name="hasJoined">Whether the silo was a member.</param>
/// <param name="fail">Gets the reason why it did not become one.</param>
internal sealed class EndOfSilo(Func<bool> hasJoined, Action<string> fail) : IFatalErrorHandler
{
    private const int MaxReason = 160;

    public bool IsUnexpected(Exception exception) => exception is not ThreadAbortException;

    public void OnFatalException(object? sender, string? context, Exception? exception)
    {
        // Orleans has logged all of it, with the table of the members.
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
