namespace OrleansCache.Silo;

/// <summary>
/// What Orleans calls when a silo must not go on, above all when the others have declared it dead. Its grains live elsewhere by now, so the process
/// ends at once; the supervisor starts it anew, and it joins as a new silo.
/// </summary>
internal sealed class EndOfSilo : IFatalErrorHandler
{
    public bool IsUnexpected(Exception exception) => exception is not ThreadAbortException;

    public void OnFatalException(object? sender, string? context, Exception? exception)
    {
        // The log has all of it, with the table of the members.
        var reason = (context ?? exception?.Message ?? "no reason given").ReplaceLineEndings(" ");
        Console.Error.WriteLine($"{SiloSettings.Program}: This silo cannot be a member of its cluster any more and ends; start it again. ({(reason.Length > 160 ? reason[..160] + "…" : reason)})");
        Environment.Exit(1);
    }
}
